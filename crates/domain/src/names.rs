//! Enums whose values have names: in rows, answers, settings and search attributes.

/// Gives an enum its names, each written once: `ALL`, `as_str`, `from_name` and `Display`. What serde calls the values stays
/// with serde's derive, where an enum has one; a test below compares.
///
/// ```ignore
/// names! { Light { Red = "red", Green = "green" } }
/// ```
#[macro_export]
macro_rules! names {
    ($enum:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $enum {
            /// All of them.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Reads [`Self::as_str`] back.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl ::std::fmt::Display for $enum {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::change::ChangeKind;
    use crate::event::{ReminderMethod, Response, ShowAs, Visibility};
    use crate::tenant::Scope;
    use crate::{
        AccessRole, AccountState, CalendarState, ChannelState, EventStatus, ProviderErrorKind, SyncReason,
        SyncStrategy, Via,
    };

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Light {
        Red,
        GreenArrow,
    }

    names! { Light { Red = "red", GreenArrow = "green_arrow" } }

    #[test]
    fn a_value_is_written_shown_and_read_by_its_name() {
        assert_eq!(Light::ALL.map(Light::as_str), ["red", "green_arrow"]);
        for light in Light::ALL {
            assert_eq!(Light::from_name(&light.to_string()), Some(light));
        }
        for wrong in ["", "Red", "green", "green_arrow "] {
            assert_eq!(Light::from_name(wrong), None, "{wrong}");
        }
    }

    macro_rules! assert_serde_says_the_same {
        ($($enum:ty),+) => {
            $(for value in <$enum>::ALL {
                assert_eq!(serde_json::to_value(value).unwrap(), value.as_str());
                assert_eq!(serde_json::from_value::<$enum>(value.as_str().into()).unwrap(), value);
            })+
        };
    }

    #[test]
    fn values_have_the_same_names_in_payloads_and_sealed_rows() {
        assert_serde_says_the_same!(
            AccessRole,
            AccountState,
            CalendarState,
            ChangeKind,
            ChannelState,
            EventStatus,
            ProviderErrorKind,
            ReminderMethod,
            Response,
            Scope,
            ShowAs,
            SyncReason,
            SyncStrategy,
            Via,
            Visibility
        );
    }
}
