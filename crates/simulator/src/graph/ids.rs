//! Ids as Exchange makes them: long, opaque, and different only in capitals now and then. An item has two, one that changes when
//! the item moves and an immutable one; an occurrence of a series has its own, which is new when the series is rescheduled.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use chrono::{Datelike as _, NaiveDate};
use sha2::{Digest as _, Sha256};

const NONCE_BYTES: usize = 10;
const KEY_BYTES: usize = 25;
const NO_SLOT: i32 = i32::MIN;

/// Which of the two ids of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdForm {
    /// Changes with the folder.
    Folder,
    Immutable,
}

impl IdForm {
    const ALL: [Self; 2] = [Self::Folder, Self::Immutable];

    fn prefix(self) -> &'static str {
        match self {
            Self::Folder => "AAMkAG",
            Self::Immutable => "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A",
        }
    }

    fn content_bytes(self) -> usize {
        match self {
            Self::Folder => 100,
            Self::Immutable => 79,
        }
    }
}

/// What an id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemId {
    /// The simulator's own name of the event or series, of 25 characters.
    pub(crate) key: String,
    /// Grows when the item moves. Immutable ids do not have it.
    pub(crate) generation: u32,
    /// Grows when a series is rescheduled. Only ids of occurrences have it.
    pub(crate) epoch: u32,
    /// The occurrence.
    pub(crate) slot: Option<NaiveDate>,
}

impl ItemId {
    pub(crate) fn write(&self, seed: u64, form: IdForm) -> String {
        let mut content = self.key.clone().into_bytes();
        content.resize(KEY_BYTES, b'0');
        let generation = if form == IdForm::Folder { self.generation } else { 0 };
        let epoch = if self.slot.is_some() { self.epoch } else { 0 };
        content.extend(generation.to_be_bytes());
        content.extend(epoch.to_be_bytes());
        content.extend(self.slot.map_or(NO_SLOT, |slot| slot.num_days_from_ce()).to_be_bytes());
        content.resize(form.content_bytes(), 0);
        let mut nonce = digest(seed, "id", &[form.prefix().as_bytes(), &content]).to_vec();
        nonce.truncate(NONCE_BYTES);
        let masked = mask(seed, &nonce, &content);
        nonce.extend(masked);
        format!("{}{}", form.prefix(), URL_SAFE.encode(nonce))
    }

    /// What an id of either form stands for, if it is one at all.
    pub(crate) fn read(seed: u64, text: &str) -> Option<(Self, IdForm)> {
        IdForm::ALL.into_iter().find_map(|form| {
            let bytes = URL_SAFE.decode(text.strip_prefix(form.prefix())?).ok()?;
            let (nonce, masked) = bytes.split_at_checked(NONCE_BYTES)?;
            let content = mask(seed, nonce, masked);
            let (key, rest) = content.split_at_checked(KEY_BYTES)?;
            let mut numbers = rest.chunks_exact(4).map(|chunk| <[u8; 4]>::try_from(chunk).unwrap_or_default());
            let generation = u32::from_be_bytes(numbers.next()?);
            let epoch = u32::from_be_bytes(numbers.next()?);
            let slot = i32::from_be_bytes(numbers.next()?);
            let slot = if slot == NO_SLOT { None } else { Some(NaiveDate::from_num_days_from_ce_opt(slot)?) };
            let key = String::from_utf8(key.to_vec()).ok()?;
            let id = Self { key, generation, epoch, slot };
            (id.write(seed, form) == text).then_some((id, form))
        })
    }
}

/// A long id for something that has one only, such as a calendar.
pub(crate) fn long_id(seed: u64, purpose: &str, thing: &str) -> String {
    let nonce = digest(seed, purpose, &[thing.as_bytes()]);
    format!("AAMkAG{}AAA=", URL_SAFE.encode(mask(seed, &nonce, &[0; 99])))
}

/// A GUID that is always the same for the same thing.
pub(crate) fn guid(seed: u64, purpose: &str, thing: &str) -> String {
    let hex = hex(&digest(seed, purpose, &[thing.as_bytes()]));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// What Exchange calls an item in calendars outside of it: an occurrence has its day in it.
pub(crate) fn ical_uid(seed: u64, key: &str, slot: Option<NaiveDate>) -> String {
    let day = slot.map_or_else(
        || "00000000".to_owned(),
        |slot| format!("{:04X}{:02X}{:02X}", slot.year().unsigned_abs(), slot.month(), slot.day()),
    );
    let own = hex(&digest(seed, "iCalUId", &[key.as_bytes()])).to_uppercase();
    format!(
        "040000008200E00074C5B7101A82E008{day}{}000000000000000010000000{}",
        own.get(..16).unwrap_or_default(),
        own.get(16..48).unwrap_or_default()
    )
}

/// The name of a state of something.
pub(crate) fn change_key(seed: u64, thing: &str, version: u64) -> String {
    let bytes = digest(seed, "change key", &[thing.as_bytes(), &version.to_be_bytes()]);
    URL_SAFE.encode(bytes.get(..22).unwrap_or_default()).replace('-', "+").replace('_', "/")
}

fn digest(seed: u64, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(purpose.as_bytes());
    for part in parts {
        hash.update([0]);
        hash.update(part);
    }
    hash.finalize().into()
}

/// Makes bytes look like nothing, and turns them back.
fn mask(seed: u64, nonce: &[u8], content: &[u8]) -> Vec<u8> {
    let blocks = (0_u32..).flat_map(|block| digest(seed, "mask", &[nonce, &block.to_be_bytes()]));
    content.iter().zip(blocks).map(|(byte, masking)| byte ^ masking).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(slot: Option<&str>) -> ItemId {
        ItemId {
            key: "0123456789abcdefghijklmno".to_owned(),
            generation: 3,
            epoch: 2,
            slot: slot.map(|slot| slot.parse().unwrap()),
        }
    }

    #[test]
    fn ids_are_long_opaque_and_can_be_read_again() {
        for form in IdForm::ALL {
            let occurrence = item(Some("2026-11-30"));
            let text = occurrence.write(1, form);
            assert!((150..160).contains(&text.len()), "{} {text}", text.len());
            let (read, read_form) = ItemId::read(1, &text).unwrap();
            assert_eq!((read.key, read.slot, read.epoch, read_form), (occurrence.key, occurrence.slot, 2, form));
            assert!(ItemId::read(1, &text.to_lowercase()).is_none());
            assert!(ItemId::read(2, &text).is_none());
        }
        assert!(ItemId::read(1, "AAMkAGnonsense").is_none());
    }

    #[test]
    fn each_slot_and_each_epoch_has_its_own_id() {
        let first = item(Some("2026-11-30"));
        let second = item(Some("2026-12-01"));
        let rescheduled = ItemId { epoch: 3, ..first.clone() };
        let ids = [&first, &second, &rescheduled, &item(None)].map(|id| id.write(1, IdForm::Immutable));
        assert!((0..4).all(|a| (a + 1..4).all(|b| ids[a] != ids[b])));
    }

    #[test]
    fn only_the_immutable_id_stays_when_an_item_moves() {
        let (before, after) = (item(None), ItemId { generation: 4, ..item(None) });
        assert_eq!(before.write(1, IdForm::Immutable), after.write(1, IdForm::Immutable));
        assert_ne!(before.write(1, IdForm::Folder), after.write(1, IdForm::Folder));
    }

    #[test]
    fn the_ical_uid_of_an_occurrence_has_its_day() {
        let day = "2026-11-30".parse().unwrap();
        assert_eq!(&ical_uid(1, "key", Some(day))[32..40], "07EA0B1E");
        assert_ne!(ical_uid(1, "key", Some(day)), ical_uid(1, "key", None));
        assert_eq!(guid(1, "user", "ada").len(), 36);
    }
}
