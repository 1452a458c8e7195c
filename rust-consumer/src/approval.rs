//! Whether the filter has approved a request: its signature (`docs/protocol.md`, "Signed approvals").
//!
//! The bus's permissions let nobody else write an approval. The signature holds where they do not: against
//! whoever has taken over nats-server, its disk, or the filter's nkey without its signing key.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use async_nats::HeaderMap;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::bus::Delivery;
use crate::headers;
use crate::subjects::{APPROVED_PREFIX, Line};

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

/// The filter's public keys, from a file that may change while the service runs; cheap to clone.
#[derive(Debug, Clone)]
pub struct Keys {
    path: PathBuf,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug)]
struct Known {
    /// By their ids, as `Chat-Signing-Key` names them.
    keys: HashMap<String, Vec<u8>>,
    /// What the file looked like when it was read.
    look: Look,
}

/// Differs whenever the file was written or replaced: seconds and nanoseconds of its last change, its length
/// and its inode.
type Look = (i64, i64, u64, u64);

impl Keys {
    /// Reads the file: a line `<key id> <raw public key, base64url>` each; `#` begins a comment.
    ///
    /// # Errors
    /// Why it cannot be used, in words: it is not there, a line is wrong, or it holds no key at all.
    pub fn open(path: &str) -> Result<Self, String> {
        let path = PathBuf::from(path);
        let look = look(&path).map_err(|error| error.to_string())?;
        let known = Known {
            keys: read(&path)?,
            look,
        };
        Ok(Self {
            path,
            known: Arc::new(Mutex::new(known)),
        })
    }

    /// Tells whether the filter has signed the message as it is. Nothing else of it is read before this.
    ///
    /// A file that has changed is read again first: so a new key counts from its first approval on, and one
    /// that was taken out counts no more.
    ///
    /// # Errors
    /// [`Forgery`]: the message is none of the filter's.
    pub fn verify(&self, delivery: &Delivery) -> Result<(), Forgery> {
        let header = |name| value(&delivery.headers, name);
        let id = header(headers::CHAT_SIGNING_KEY).ok_or(Forgery::Unsigned)?;
        let signature = header(headers::CHAT_SIGNATURE).ok_or(Forgery::Unsigned)?;
        let key = self.key(id).ok_or(Forgery::UnknownKey)?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes());
        let signature = signature.map_err(|_| Forgery::Wrong)?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(payload(delivery).as_bytes(), &signature)
            .map_err(|_| Forgery::Wrong)?;
        repeats_its_subject(delivery)
            .then_some(())
            .ok_or(Forgery::Inconsistent)
    }

    fn key(&self, id: &str) -> Option<Vec<u8>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut known);
        known.keys.get(id).cloned()
    }

    /// A file that is away, or cannot be used, changes nothing: the keys that were read last still count.
    fn refresh(&self, known: &mut Known) {
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

/// What is signed.
fn payload(delivery: &Delivery) -> String {
    let signed = SIGNED_HEADERS.map(|name| value(&delivery.headers, name).unwrap_or_default());
    let digest = HEXLOWER.encode(&Sha256::digest(&delivery.payload));
    let mut lines = vec![VERSION, &*delivery.subject];
    lines.extend(signed);
    lines.push(&digest);
    lines.join("\n")
}

/// The id, the client and the lane stand in the subject; the headers that repeat them are not signed, so
/// they must be the same.
fn repeats_its_subject(delivery: &Delivery) -> bool {
    let is = |name, expected: &str| value(&delivery.headers, name) == Some(expected);
    Line::parse(APPROVED_PREFIX, &delivery.subject).is_some_and(|(line, id)| {
        is(headers::CHAT_ID, id)
            && is(headers::CHAT_CLIENT, &line.client)
            && is(headers::CHAT_LANE, line.lane.name())
    })
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::Value;
    use tempfile::NamedTempFile;

    use super::*;

    /// One who can sign.
    struct Signer(Ed25519KeyPair);

    impl Signer {
        fn new(seed: u8) -> Self {
            Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
        }

        fn id(&self) -> String {
            HEXLOWER.encode(&Sha256::digest(self.0.public_key()))[..16].to_owned()
        }

        fn line(&self) -> String {
            let key = BASE64URL_NOPAD.encode(self.0.public_key().as_ref());
            format!("{} {key}", self.id())
        }

        fn sign(&self, mut delivery: Delivery) -> Delivery {
            let signature = self.0.sign(payload(&delivery).as_bytes());
            let signature = BASE64URL_NOPAD.encode(signature.as_ref());
            delivery.headers.insert(headers::CHAT_SIGNATURE, signature);
            delivery
                .headers
                .insert(headers::CHAT_SIGNING_KEY, self.id());
            delivery
        }
    }

    const ID: &str = "01920f3c-7a51-7c3e-8f00-0123456789ab";

    fn approval() -> Delivery {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (headers::CHAT_ID, ID),
            (headers::CHAT_CLIENT, "alice"),
            (headers::CHAT_LANE, "batch"),
            (headers::CHAT_DEADLINE, "99999999999999"),
            (headers::CHAT_REPLY_TO, "_R_.a.b"),
            (headers::CHAT_EVENTS, "token"),
            (headers::CHAT_POLICY, "0123456789ab"),
            (headers::CHAT_BODY_SHA256, "ab"),
        ] {
            headers.insert(name, value);
        }
        Delivery::for_test(&format!("chat.approved.batch.alice.{ID}"), headers, "{}")
    }

    fn file(lines: &[String]) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        writeln!(file, "# the filter's keys\n\n{}", lines.join("\n")).unwrap();
        file
    }

    fn keys(file: &NamedTempFile) -> Keys {
        Keys::open(file.path().to_str().unwrap()).unwrap()
    }

    /// What the filter has signed is believed, with either of the keys in the file.
    #[test]
    fn what_is_signed_is_believed() {
        let (old, new) = (Signer::new(1), Signer::new(2));
        let keys = keys(&file(&[old.line(), new.line()]));
        for signer in [old, new] {
            assert_eq!(keys.verify(&signer.sign(approval())), Ok(()));
        }
    }

    /// The example in `contracts/`, made by the filter's code, is believed here, and its payload is the same.
    #[test]
    fn the_contracts_example_is_believed() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../contracts/fixtures/v1/signature.json"
        );
        let example: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let text = |name: &str| example[name].as_str().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in example["headers"].as_object().unwrap() {
            headers.insert(name.as_str(), value.as_str().unwrap());
        }
        headers.insert(headers::CHAT_SIGNATURE, text("signature"));
        headers.insert(headers::CHAT_SIGNING_KEY, text("key_id"));
        let body: &'static str = text("body").to_owned().leak();
        let delivery = Delivery::for_test(text("subject"), headers, body);
        assert_eq!(payload(&delivery), text("payload"));
        let keys = keys(&file(&[format!(
            "{} {}",
            text("key_id"),
            text("public_key")
        )]));
        assert_eq!(keys.verify(&delivery), Ok(()));
    }

    /// Whatever is changed in a signed message, it is signed no more.
    #[test]
    fn what_was_changed_is_not_believed() {
        let signer = Signer::new(1);
        let keys = keys(&file(&[signer.line()]));
        let changed = |change: &dyn Fn(&mut Delivery)| {
            let mut delivery = signer.sign(approval());
            change(&mut delivery);
            keys.verify(&delivery)
        };
        let header = |name: &'static str, value: &'static str| {
            changed(&|delivery| delivery.headers.insert(name, value))
        };
        assert_eq!(changed(&|_| {}), Ok(()));
        assert_eq!(
            changed(&|delivery| delivery.payload = "{} ".into()),
            Err(Forgery::Wrong)
        );
        for subject in [
            format!("chat.approved.interactive.alice.{ID}"),
            format!("chat.approved.batch.bob.{ID}"),
            format!("chat.approved.batch.alice.{}", ID.replace('a', "b")),
        ] {
            let elsewhere = changed(&|delivery| delivery.subject = subject.clone().into());
            assert_eq!(elsewhere, Err(Forgery::Wrong), "{subject}");
        }
        for (name, value) in [
            (headers::CHAT_REPLY_TO, "_R_.a.c"),
            (headers::CHAT_DEADLINE, "99999999999998"),
            (headers::CHAT_EVENTS, "none"),
            (headers::CHAT_POLICY, "ba9876543210"),
            (headers::CHAT_BODY_SHA256, "cd"),
            (headers::CHAT_SIGNATURE, "AAAA"),
            (headers::CHAT_SIGNATURE, "+/="),
        ] {
            assert_eq!(header(name, value), Err(Forgery::Wrong), "{name}");
        }
        for (name, value) in [
            (headers::CHAT_ID, "01920f3c-7a51-7c3e-8f00-0123456789ac"),
            (headers::CHAT_CLIENT, "bob"),
            (headers::CHAT_LANE, "interactive"),
        ] {
            assert_eq!(header(name, value), Err(Forgery::Inconsistent), "{name}");
        }
    }

    /// No signature, somebody else's, and somebody else's under a known name.
    #[test]
    fn who_is_not_the_filter_is_not_believed() {
        let (filter, other) = (Signer::new(1), Signer::new(2));
        let keys = keys(&file(&[filter.line()]));
        assert_eq!(keys.verify(&approval()), Err(Forgery::Unsigned));
        assert_eq!(
            keys.verify(&other.sign(approval())),
            Err(Forgery::UnknownKey)
        );
        let mut posing = other.sign(approval());
        posing
            .headers
            .insert(headers::CHAT_SIGNING_KEY, filter.id());
        assert_eq!(keys.verify(&posing), Err(Forgery::Wrong));
    }

    /// A key that is put into the file counts from its first approval on; one that is taken out does not;
    /// a file that cannot be used, or is away, changes nothing.
    #[test]
    fn a_changed_file_counts_at_once() {
        let (old, new) = (Signer::new(1), Signer::new(2));
        let file = file(&[old.line()]);
        let keys = keys(&file);
        assert_eq!(keys.verify(&new.sign(approval())), Err(Forgery::UnknownKey));
        for (text, old_counts, new_counts) in [
            (format!("{}\n{}\n", old.line(), new.line()), true, true),
            (format!("{} # alone\n", new.line()), false, true),
            ("nonsense".to_owned(), false, true),
            (String::new(), false, true),
        ] {
            // As rotation does it: another file takes its place.
            let next = file.path().with_extension("next");
            fs::write(&next, text).unwrap();
            fs::rename(&next, file.path()).unwrap();
            assert_eq!(keys.verify(&old.sign(approval())).is_ok(), old_counts);
            assert_eq!(keys.verify(&new.sign(approval())).is_ok(), new_counts);
        }
        fs::remove_file(file.path()).unwrap();
        assert_eq!(keys.verify(&new.sign(approval())), Ok(()));
    }

    /// A file without a key, or with a line that is none, stops the start.
    #[test]
    fn a_file_that_holds_no_key_is_refused() {
        let key = Signer::new(1).line();
        for text in [
            String::new(),
            "# nothing".to_owned(),
            key.replace(' ', ""),
            format!("0{key}"),
            format!("{key}A"),
            format!("{} more", Signer::new(1).line()),
        ] {
            let file = file(std::slice::from_ref(&text));
            assert!(
                Keys::open(file.path().to_str().unwrap()).is_err(),
                "{text:?}"
            );
        }
    }
}
