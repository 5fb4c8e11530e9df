//! Ids of legacy sessions: random ones, and sealed ones that carry what any replica needs.

use std::{fmt, fmt::Write as _, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand::{SecureRandom as _, SystemRandom},
};

use super::Principal;

/// The longest id, in characters. Every request repeats it.
pub(super) const MAX_CHARS: usize = 1024;

/// How much an id can carry, in bytes: what base64, the nonce, the tag, the form and the time leave.
pub(super) const ROOM: usize = MAX_CHARS / 4 * 3 - NONCE_LEN - 16 - 1 - 8;

/// The longest sealed text that is looked at, in characters.
const MAX_TEXT_CHARS: usize = 16 << 10;

/// The form of what is sealed. Ids of another one are foreign.
const FORM: u8 = 1;

/// The shortest secret, in bytes.
const SECRET_BYTES: usize = 16;

/// The keys that seal the ids of legacy sessions. Every process with the same secret can serve a
/// session that another one opened.
///
/// ```
/// use mcp_transport::serve::SessionKeys;
///
/// let keys = SessionKeys::derive(b"the new secret of all replicas")?;
/// // While clients still come with ids of the former secret.
/// let keys = keys.and_former(b"the former secret of them")?;
/// # Ok::<(), mcp_transport::serve::SessionKeyError>(())
/// ```
///
/// The nonces are random: a secret should be changed before it has sealed 2^32 ids.
#[derive(Clone)]
pub struct SessionKeys(Arc<[LessSafeKey]>);

/// There is no key for the ids of sessions.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionKeyError {
    /// The secret could be guessed.
    #[error("the secret of session ids is too short: take {SECRET_BYTES} random bytes or more")]
    TooShort,
    /// The system has no randomness to give.
    #[error("the system has no randomness to give")]
    NoRandomness,
    /// The cipher refuses the key.
    #[error("the cipher refuses the key of session ids")]
    Refused,
}

impl SessionKeys {
    /// A new key, which no other process has.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random() -> Result<Self, SessionKeyError> {
        Self::derive(&random::<32>()?)
    }

    /// The key that every process derives alike from this secret, by HKDF (RFC 5869).
    ///
    /// # Errors
    /// The secret is shorter than 16 bytes.
    pub fn derive(secret: &[u8]) -> Result<Self, SessionKeyError> {
        Ok(Self([key(secret)?].into()))
    }

    /// Also opens ids that were sealed with a former secret. New ones are sealed with the first.
    ///
    /// # Errors
    /// The secret is shorter than 16 bytes.
    pub fn and_former(self, secret: &[u8]) -> Result<Self, SessionKeyError> {
        let former = key(secret)?;
        let first = self.0.iter().cloned();
        Ok(Self(first.chain([former]).collect()))
    }

    /// A new id. `None` when what is carried does not fit.
    pub(super) fn seal(
        &self,
        place: &Place<'_>,
        issued: u64,
        carried: &str,
    ) -> Result<Option<(Key, String)>, SessionKeyError> {
        if carried.len() > ROOM {
            return Ok(None);
        }
        let mut text = vec![FORM];
        text.extend_from_slice(&issued.to_be_bytes());
        text.extend_from_slice(carried.as_bytes());
        let (number, id) = self.encrypt(place.aad(), text)?;
        Ok(Some((Key::Sealed(number), id)))
    }

    /// What an id says, if it was sealed here or in another process with the same secret, for this
    /// place.
    pub(super) fn open(&self, place: &Place<'_>, id: &str) -> Option<Opened> {
        if id.len() > MAX_CHARS {
            return None;
        }
        let (number, text) = self.decrypt(&place.aad(), id)?;
        let (form, text) = text.split_first()?;
        let (issued, carried) = text.split_first_chunk::<8>()?;
        (*form == FORM).then_some(Opened {
            key: Key::Sealed(number),
            issued: u64::from_be_bytes(*issued),
            carried: std::str::from_utf8(carried).ok()?.to_owned(),
        })
    }

    /// Seals a text for somebody to keep and to give back, such as the id of something that is
    /// elsewhere. Only processes with the same secret can read it, and only for the same purpose,
    /// which may name who it is for.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn seal_text(&self, purpose: &str, text: &str) -> Result<String, SessionKeyError> {
        Ok(self.encrypt(aad_of(purpose), text.as_bytes().to_vec())?.1)
    }

    /// The text that was sealed for this purpose; `None` for everything else, which may come from
    /// anybody.
    pub fn open_text(&self, purpose: &str, sealed: &str) -> Option<String> {
        if sealed.len() > MAX_TEXT_CHARS {
            return None;
        }
        String::from_utf8(self.decrypt(&aad_of(purpose), sealed)?.1).ok()
    }

    fn encrypt(
        &self,
        aad: Aad<String>,
        mut text: Vec<u8>,
    ) -> Result<([u8; NONCE_LEN], String), SessionKeyError> {
        let number = random::<NONCE_LEN>()?;
        let [first, ..] = &*self.0 else { return Err(SessionKeyError::Refused) };
        first
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(number), aad, &mut text)
            .map_err(|_| SessionKeyError::Refused)?;
        Ok((number, URL_SAFE_NO_PAD.encode([&number[..], &text].concat())))
    }

    fn decrypt(&self, aad: &Aad<String>, sealed: &str) -> Option<([u8; NONCE_LEN], Vec<u8>)> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (number, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        self.0.iter().find_map(|key| {
            let mut text = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*number);
            let length = key.open_in_place(nonce, Aad::from(aad.as_ref()), &mut text).ok()?.len();
            text.truncate(length);
            Some((*number, text))
        })
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(***)")
    }
}

/// Paths begin otherwise, so that no text is an id.
fn aad_of(purpose: &str) -> Aad<String> {
    Aad::from(format!("\0{purpose}"))
}

/// Where an id is good, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub(super) path: &'a str,
    pub(super) principal: Option<&'a Principal>,
}

impl Place<'_> {
    fn aad(&self) -> Aad<String> {
        // Paths have no line ends, and nobody in particular is not somebody without a name.
        let mut text = format!("{}\n", self.path);
        if let Some(principal) = self.principal {
            text.push('=');
            text.push_str(principal.name());
        }
        Aad::from(text)
    }
}

/// An id that was sealed here or by another replica.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) key: Key,
    /// In seconds since 1970.
    pub(super) issued: u64,
    pub(super) carried: String,
}

/// Which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// 128 random bits: whoever has them is the client.
    Random([u8; 16]),
    /// The nonce of a sealed id.
    Sealed([u8; NONCE_LEN]),
}

/// An id that means something in this process only.
pub(super) fn new_random() -> Result<(Key, String), SessionKeyError> {
    let bytes = random::<16>()?;
    let id = bytes.iter().fold(String::with_capacity(32), |mut id, byte| {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    });
    Ok((Key::Random(bytes), id))
}

/// The session of a random id.
pub(super) fn read_random(id: &str) -> Option<Key> {
    if id.len() != 32 || !id.is_ascii() {
        return None;
    }
    u128::from_str_radix(id, 16).ok().map(|bits| Key::Random(bits.to_be_bytes()))
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], SessionKeyError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SessionKeyError::NoRandomness)?;
    Ok(bytes)
}

fn key(secret: &[u8]) -> Result<LessSafeKey, SessionKeyError> {
    if secret.len() < SECRET_BYTES {
        return Err(SessionKeyError::TooShort);
    }
    let derived = Salt::new(HKDF_SHA256, b"MCP session ids").extract(secret);
    let key =
        derived.expand(&[b"AES-256-GCM"], &AES_256_GCM).map_err(|_| SessionKeyError::Refused)?;
    Ok(LessSafeKey::new(UnboundKey::from(key)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &[u8] = b"sixteen bytes or";

    fn place<'a>(path: &'a str, principal: Option<&'a Principal>) -> Place<'a> {
        Place { path, principal }
    }

    #[test]
    fn an_id_is_opened_by_whoever_has_the_secret_and_where_it_is_meant() {
        let (ada, bob, nobody) = (Principal::new("ada"), Principal::new("bob"), Principal::new(""));
        let (one, other) =
            (SessionKeys::derive(SECRET).unwrap(), SessionKeys::derive(SECRET).unwrap());
        let here = place("/mcp", Some(&ada));
        let (key, id) = one.seal(&here, 7, "{}").unwrap().unwrap();
        assert_eq!(other.open(&here, &id), Some(Opened { key, issued: 7, carried: "{}".into() }));
        for elsewhere in [
            place("/mcp", Some(&bob)),
            place("/mcp", Some(&nobody)),
            place("/mcp", None),
            place("/servers/a/mcp", Some(&ada)),
        ] {
            assert_eq!(other.open(&elsewhere, &id), None, "{elsewhere:?}");
        }
        let foreign = SessionKeys::random().unwrap();
        assert_eq!(foreign.open(&here, &id), None);
        let rotated = SessionKeys::derive(b"the new secret of all").unwrap();
        assert_eq!(rotated.open(&here, &id), None);
        assert!(rotated.and_former(SECRET).unwrap().open(&here, &id).is_some());
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let (keys, here) = (SessionKeys::derive(SECRET).unwrap(), place("/mcp", None));
        let (_, id) = keys.seal(&here, 1, r#"{"sampling":{}}"#).unwrap().unwrap();
        for index in 0..id.len() {
            let mut text = id.clone().into_bytes();
            text[index] = if text[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(keys.open(&here, std::str::from_utf8(&text).unwrap()), None, "{index}");
            assert_eq!(keys.open(&here, &id[..index]), None);
        }
    }

    #[test]
    fn what_fits_is_known_before() {
        let (keys, here) = (SessionKeys::random().unwrap(), place("/mcp", None));
        let (_, id) = keys.seal(&here, u64::MAX, &"x".repeat(ROOM)).unwrap().unwrap();
        assert_eq!(id.len(), MAX_CHARS);
        assert!(keys.open(&here, &id).is_some());
        assert_eq!(keys.seal(&here, 0, &"x".repeat(ROOM + 1)).unwrap(), None);
        assert_eq!(SessionKeys::derive(b"short").unwrap_err(), SessionKeyError::TooShort);
        let (key, id) = new_random().unwrap();
        assert_eq!(read_random(&id), Some(key));
        assert_eq!(format!("{keys:?}"), "SessionKeys(***)");
    }

    #[test]
    fn a_text_is_opened_for_its_purpose() {
        let keys = SessionKeys::derive(SECRET).unwrap();
        let sealed = keys.seal_text("task ada", "a text").unwrap();
        assert_eq!(keys.open_text("task ada", &sealed).as_deref(), Some("a text"));
        assert_eq!(keys.open_text("task bob", &sealed), None);
        assert_eq!(keys.open(&place("task ada", None), &sealed), None);
        let (_, id) = keys.seal(&place("/mcp", None), 1, "{}").unwrap().unwrap();
        assert_eq!(keys.open_text("/mcp", &id), None);
        assert_eq!(keys.open_text("task ada", &format!("{sealed}A")), None);
    }

    proptest! {
        #[test]
        fn no_text_that_nobody_sealed_is_an_id(id in "[A-Za-z0-9_-]{0,80}|.{0,40}") {
            let keys = SessionKeys::derive(SECRET).unwrap();
            prop_assert_eq!(keys.open(&place("/mcp", None), &id), None);
            // Whatever it is, it is read without a panic.
            let _ = read_random(&id);
        }
    }
}
