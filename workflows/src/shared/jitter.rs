//! Spreading by id: the same id always gets the same offset, so replays agree and a fleet does not move in step.

/// An offset in `0..span` for an id. `purpose` keeps different spreads of one id independent of each other.
pub fn offset(id: &str, purpose: &str, span: u64) -> u64 {
    // FNV-1a, 64 bit: stable for ever, unlike the standard library's hashers.
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = purpose
        .bytes()
        .chain([0])
        .chain(id.bytes())
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    // The low bits of FNV are weak for short texts; folding the halves together evens them out.
    let mixed = hash ^ (hash >> 32);
    if span == 0 { 0 } else { mixed % span }
}

/// `base` moved by up to ±`percent` %, by id and round.
pub fn around(base_s: u32, percent: u32, id: &str, round: u64) -> u32 {
    let spread = u64::from(base_s) * u64::from(percent) / 100;
    let moved = offset(id, &format!("round {round}"), 2 * spread + 1);
    u32::try_from(u64::from(base_s) + moved).unwrap_or(u32::MAX).saturating_sub(u32::try_from(spread).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_spreads_evenly() {
        let mut buckets = [0_u32; 12];
        for n in 0..1_200 {
            buckets[usize::try_from(offset(&format!("cal_{n:032x}"), "renew", 3_600) / 300).unwrap()] += 1;
        }
        assert!(buckets.iter().all(|count| (60..=140).contains(count)), "{buckets:?}");
    }

    #[test]
    fn the_offset_of_an_id_never_changes() {
        assert_eq!(offset("cal_a", "renew", 1_000_000), offset("cal_a", "renew", 1_000_000));
        assert_ne!(offset("cal_a", "renew", 1_000_000), offset("cal_a", "expiry", 1_000_000));
        assert_eq!(offset("cal_a", "renew", 1_000_000), 324_802);
    }

    #[test]
    fn an_interval_moves_by_at_most_its_percentage() {
        for round in 0..1_000 {
            let moved = around(900, 10, "cal_a", round);
            assert!((810..=990).contains(&moved), "{moved}");
        }
    }
}
