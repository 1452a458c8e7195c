use std::io::Write;

use async_nats::HeaderMap;
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
        assert_eq!(verify(&keys, &signer.sign(approval())), Ok(()));
    }
}

/// The example in `contracts/`, made by the filter's code, is believed here, and its payload is the
/// same.
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
    assert_eq!(verify(&keys, &delivery), Ok(()));
}

/// Whatever is changed in a signed message, it is signed no more.
#[test]
fn what_was_changed_is_not_believed() {
    let signer = Signer::new(1);
    let keys = keys(&file(&[signer.line()]));
    let changed = |change: &dyn Fn(&mut Delivery)| {
        let mut delivery = signer.sign(approval());
        change(&mut delivery);
        verify(&keys, &delivery)
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
        format!("chat.approved.batch.alice.{ID}.smollm2"),
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
    assert_eq!(verify(&keys, &approval()), Err(Forgery::Unsigned));
    assert_eq!(
        verify(&keys, &other.sign(approval())),
        Err(Forgery::UnknownKey)
    );
    let mut posing = other.sign(approval());
    posing
        .headers
        .insert(headers::CHAT_SIGNING_KEY, filter.id());
    assert_eq!(verify(&keys, &posing), Err(Forgery::Wrong));
}

/// A key that is put into the file counts from its first approval on; one that is taken out does
/// not; a file that cannot be used, or is away, changes nothing.
#[test]
fn a_changed_file_counts_at_once() {
    let (old, new) = (Signer::new(1), Signer::new(2));
    let file = file(&[old.line()]);
    let keys = keys(&file);
    assert_eq!(
        verify(&keys, &new.sign(approval())),
        Err(Forgery::UnknownKey)
    );
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
        assert_eq!(verify(&keys, &old.sign(approval())).is_ok(), old_counts);
        assert_eq!(verify(&keys, &new.sign(approval())).is_ok(), new_counts);
        for (signer, counts) in [(&old, old_counts), (&new, new_counts)] {
            assert_eq!(keys.ids().contains(&signer.id()), counts);
        }
    }
    fs::remove_file(file.path()).unwrap();
    assert_eq!(verify(&keys, &new.sign(approval())), Ok(()));
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
