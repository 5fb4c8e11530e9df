//! A method is a type: its name, its parameters and its result belong together.

use serde::{Serialize, de::DeserializeOwned};

use crate::decode::{self, DecodeError};

/// A request that a client can send.
///
/// Extensions and private methods are a user's own types:
///
/// ```
/// use mcp_protocol::method::Method;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize)]
/// struct Query { text: String }
/// #[derive(Deserialize)]
/// struct Answer { hits: u32 }
///
/// enum Search {}
/// impl Method for Search {
///     const NAME: &'static str = "com.example/search";
///     type Params = Query;
///     type Output = Answer;
/// }
/// ```
pub trait Method {
    /// The name on the wire, such as `tools/call`.
    const NAME: &'static str;
    /// Serializes to a JSON object, or to `null` for no parameters.
    type Params: Serialize;
    /// What a successful result holds.
    type Output: DeserializeOwned;

    /// Reads the `result` of the response.
    ///
    /// # Errors
    /// The result does not have the shape of [`Self::Output`].
    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        decode::strict(result)
    }

    /// The value that Streamable HTTP mirrors in the `Mcp-Name` header, if this method has one.
    fn name_header(_params: &Self::Params) -> Option<&str> {
        None
    }
}

/// A notification that either side can send.
pub trait Notification {
    /// The name on the wire, such as `notifications/progress`.
    const NAME: &'static str;
    /// Serializes to a JSON object, or to `null` for no parameters.
    type Params: Serialize + DeserializeOwned;
}
