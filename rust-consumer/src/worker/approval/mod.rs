//! Whether the filter has approved a request: its signature (`docs/protocol.md`, "Signed
//! approvals").
//!
//! The bus's permissions let nobody else write an approval. The signature holds where they do not:
//! against whoever has taken over nats-server, its disk, or the filter's nkey without its signing
//! key.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::bus::jobs::Delivery;
use crate::contract::headers::{self, value};

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
/// A file of keys is a few lines.
const MAX_FILE_BYTES: u64 = 1 << 16;

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

/// The filter's public keys, from a file that may change while the service runs; cheap to clone.
#[derive(Debug, Clone)]
pub struct Keys {
    path: PathBuf,
    known: Arc<Mutex<KeySet>>,
}

#[derive(Debug)]
struct KeySet {
    /// By their ids, as `Chat-Signing-Key` names them.
    keys: HashMap<String, Vec<u8>>,
    /// What the file looked like when it was read.
    look: Look,
}

/// Differs whenever the file was written or replaced: seconds and nanoseconds of its last change,
/// its length and its inode.
type Look = (i64, i64, u64, u64);

impl Keys {
    /// Reads the file: a line `<key id> <raw public key, base64url>` each; `#` begins a comment.
    ///
    /// # Errors
    /// Why it cannot be used, in words: it is not there, a line is wrong, or it holds no key at
    /// all.
    pub fn open(path: &str) -> Result<Self, String> {
        let path = PathBuf::from(path);
        let look = look(&path).map_err(|error| error.to_string())?;
        let known = KeySet {
            keys: read(&path)?,
            look,
        };
        Ok(Self {
            path,
            known: Arc::new(Mutex::new(known)),
        })
    }

    /// The ids of the keys that count now, in order; a file that has changed is read again first.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.current().keys.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// The key of that id. A file that has changed is read again first: so a new key counts from
    /// its first approval on, and one that was taken out counts no more.
    fn get(&self, id: &str) -> Option<Vec<u8>> {
        self.current().keys.get(id).cloned()
    }

    fn current(&self) -> MutexGuard<'_, KeySet> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut known);
        known
    }

    /// A file that is away, or cannot be used, changes nothing: the keys that were read last still
    /// count.
    fn refresh(&self, known: &mut KeySet) {
        let look = match look(&self.path) {
            Ok(look) if look == known.look => return,
            Ok(look) => look,
            Err(error) => {
                tracing::warn!(%error, "STILE_APPROVAL_KEYS is away; the keys read before still count");
                return;
            }
        };
        known.look = look;
        match read(&self.path) {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "the approval keys were read again");
                known.keys = keys;
            }
            Err(error) => {
                tracing::error!(
                    error,
                    "STILE_APPROVAL_KEYS cannot be used; the keys read before still count"
                );
            }
        }
    }
}
fn look(path: &Path) -> io::Result<Look> {
    let file = fs::metadata(path)?;
    Ok((file.mtime(), file.mtime_nsec(), file.len(), file.ino()))
}

fn read(path: &Path) -> Result<HashMap<String, Vec<u8>>, String> {
    if look(path).is_ok_and(|(_, _, length, _)| length > MAX_FILE_BYTES) {
        return Err("the file is too large".to_owned());
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut keys = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (id, key) = parse(line).ok_or_else(|| format!("line {} holds no key", number + 1))?;
        keys.insert(id, key);
    }
    if keys.is_empty() {
        return Err("the file holds no key".to_owned());
    }
    Ok(keys)
}

/// Reads `<key id> <public key>`; the id is the first 16 hex digits of the key's SHA-256.
fn parse(line: &str) -> Option<(String, Vec<u8>)> {
    let (id, key) = line.split_once(char::is_whitespace)?;
    let key = BASE64URL_NOPAD.decode(key.trim().as_bytes()).ok()?;
    let digest = HEXLOWER.encode(&Sha256::digest(&key));
    (key.len() == 32 && digest.get(..16) == Some(id)).then(|| (id.to_owned(), key))
}
