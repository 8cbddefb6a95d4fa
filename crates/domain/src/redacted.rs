//! Texts that may be personal, such as a provider's ids, or open something, such as its tokens.

/// Makes types of such texts: kept and compared as they are, and never shown by `Debug`.
///
/// ```ignore
/// redacted! {
///     /// Names the next page of a list.
///     PageToken;
/// }
/// ```
#[macro_export]
macro_rules! redacted {
    ($($(#[$attribute:meta])* $name:ident;)+) => {
        $(
            $(#[$attribute])*
            #[derive(Clone, PartialEq, Eq)]
            pub struct $name(String);

            impl $name {
                /// Takes the provider's text as it is.
                pub fn new(text: impl Into<String>) -> Self {
                    Self(text.into())
                }

                /// The provider's text, for the request or the row that needs it.
                pub fn as_str(&self) -> &str {
                    &self.0
                }

                /// The provider's text, to keep.
                pub fn into_string(self) -> String {
                    self.0
                }
            }

            impl ::std::fmt::Debug for $name {
                fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    formatter.write_str(concat!(stringify!($name), "(redacted)"))
                }
            }
        )+
    };
}
