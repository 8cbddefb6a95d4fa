//! What may go wrong with notices on their way to the client: loss, repetition, delay, gaps in the numbering and
//! notices after the end of a channel. Provider-neutral; sending them is the provider folder's business.

use serde::{Deserialize, Serialize};

use super::faults::Dice;

/// What happens to one notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NoticeAction {
    /// It is never sent.
    Drop,
    /// It is sent twice with the same number.
    Duplicate,
    /// It is sent later; notices made after it may overtake it.
    Delay {
        /// How much later, in milliseconds.
        delay_ms: u64,
    },
}

/// One line of a notice script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeRule {
    /// The n-th notice since the plan was set, from 1, counted over all channels, `sync` messages included.
    pub notice_index: u64,
    /// What happens to it.
    pub action: NoticeAction,
}

/// The whole plan; all zero by default, so that every notice is sent once and at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoticePlan {
    /// Chooses the notices that the percentages hit.
    pub seed: u64,
    /// Share that is never sent, 0 to 100. Providers themselves state that a small share is lost.
    pub drop_percent: u8,
    /// Share that is sent twice.
    pub duplicate_percent: u8,
    /// Share that is held back, so that later notices overtake it.
    pub delay_percent: u8,
    /// The longest time that a notice is held back, in milliseconds.
    pub delay_ms_max: u64,
    /// Share of notices before which a number is left out.
    pub skip_number_percent: u8,
    /// Stopped channels go on until their expiry.
    pub send_after_stop: bool,
    /// A script that goes before the percentages.
    pub rules: Vec<NoticeRule>,
}

/// What becomes of one notice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NoticeFate {
    pub(crate) dropped: bool,
    pub(crate) copies: u8,
    pub(crate) delay_ms: u64,
    pub(crate) numbers_skipped: u64,
}

/// The plan and the number of notices since it was set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct NoticeBook {
    plan: NoticePlan,
    notices_since_set: u64,
}

impl NoticeBook {
    pub(crate) fn set(&mut self, plan: NoticePlan) {
        self.plan = plan;
        self.notices_since_set = 0;
    }

    pub(crate) fn plan(&self) -> &NoticePlan {
        &self.plan
    }

    /// Counts one notice and decides what becomes of it.
    pub(crate) fn decide(&mut self) -> NoticeFate {
        self.notices_since_set += 1;
        let index = self.notices_since_set;
        let plan = &self.plan;
        let mut fate = NoticeFate { copies: 1, ..NoticeFate::default() };
        let scripted = plan.rules.iter().find(|rule| rule.notice_index == index);
        if let Some(rule) = scripted {
            match rule.action {
                NoticeAction::Drop => fate.dropped = true,
                NoticeAction::Duplicate => fate.copies = 2,
                NoticeAction::Delay { delay_ms } => fate.delay_ms = delay_ms,
            }
            return fate;
        }
        let dice = Dice::new(plan.seed, "notice", index);
        fate.dropped = dice.percent(plan.drop_percent, 0);
        if dice.percent(plan.duplicate_percent, 1) {
            fate.copies = 2;
        }
        if dice.percent(plan.delay_percent, 2) {
            fate.delay_ms = 1 + dice.below(plan.delay_ms_max, 3);
        }
        if dice.percent(plan.skip_number_percent, 4) {
            fate.numbers_skipped = 1 + dice.below(5, 5);
        }
        fate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_plan_every_notice_is_sent_once_and_at_once() {
        let mut book = NoticeBook::default();
        let expected = NoticeFate { copies: 1, ..NoticeFate::default() };
        assert!((0..100).all(|_| book.decide() == expected));
    }

    #[test]
    fn a_script_goes_before_the_percentages() {
        let mut book = NoticeBook::default();
        book.set(NoticePlan {
            drop_percent: 100,
            rules: vec![NoticeRule { notice_index: 2, action: NoticeAction::Delay { delay_ms: 7 } }],
            ..NoticePlan::default()
        });
        assert!(book.decide().dropped);
        let second = book.decide();
        assert!(!second.dropped);
        assert_eq!(second.delay_ms, 7);
    }
}
