//! Whether the filter has approved a request: its signature (`docs/protocol.md`, "Signed
//! approvals").
//!
//! The bus's permissions let nobody else write an approval. The signature holds where they do not:
//! against whoever has taken over nats-server, its disk, or the filter's nkey without its signing
//! key.

mod keys;
#[cfg(test)]
mod tests;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::bus::jobs::Delivery;
use crate::contract::envelope::value;
use crate::contract::headers;

pub use keys::Keys;

/// The payload's first line, so that a signature under these keys is good for nothing else.
const VERSION: &str = "stile-approval-v1";
/// In the payload's order.
const SIGNED_HEADERS: [&str; 5] = [
    headers::CHAT_REPLY_TO,
    headers::CHAT_DEADLINE,
    headers::CHAT_EVENTS,
    headers::CHAT_POLICY,
    headers::CHAT_BODY_SHA256,
];
/// Why a message counts as approved by nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Forgery {
    /// One of the two headers is missing.
    #[error("it is not signed")]
    Unsigned,
    /// The file holds no such key.
    #[error("it is signed with a key that is not known")]
    UnknownKey,
    /// The key has not signed this message as it is.
    #[error("its signature is wrong")]
    Wrong,
    /// The subject, which is signed, and a header that repeats it do not agree.
    #[error("its headers are not its subject's")]
    Inconsistent,
}

/// Checks that the filter has signed the message as it is. Nothing else of it is read before this.
///
/// # Errors
/// [`Forgery`]: the message is none of the filter's.
pub fn verify(keys: &Keys, delivery: &Delivery) -> Result<(), Forgery> {
    let header = |name| value(&delivery.headers, name);
    let id = header(headers::CHAT_SIGNING_KEY).ok_or(Forgery::Unsigned)?;
    let signature = header(headers::CHAT_SIGNATURE).ok_or(Forgery::Unsigned)?;
    let key = keys.get(id).ok_or(Forgery::UnknownKey)?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes());
    let signature = signature.map_err(|_| Forgery::Wrong)?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(payload(delivery).as_bytes(), &signature)
        .map_err(|_| Forgery::Wrong)?;
    repeats_its_subject(delivery)
        .then_some(())
        .ok_or(Forgery::Inconsistent)
}

/// What is signed.
fn payload(delivery: &Delivery) -> String {
    let signed = SIGNED_HEADERS.map(|name| value(&delivery.headers, name).unwrap_or_default());
    let digest = HEXLOWER.encode(&Sha256::digest(&delivery.payload));
    let mut lines = vec![VERSION, &*delivery.subject];
    lines.extend(signed);
    lines.push(&digest);
    lines.join("\n")
}

/// The id, the client and the lane are in the subject. The headers that repeat them are not signed,
/// so they must be the same.
fn repeats_its_subject(delivery: &Delivery) -> bool {
    let is = |name, expected: &str| value(&delivery.headers, name) == Some(expected);
    delivery.address.as_ref().is_some_and(|address| {
        is(headers::CHAT_ID, &address.id.to_string())
            && is(headers::CHAT_CLIENT, &address.client)
            && is(headers::CHAT_LANE, address.lane.name())
    })
}
