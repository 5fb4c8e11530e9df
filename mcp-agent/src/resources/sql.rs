//! SQL: statements with parameters, and rows.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    BindError, ResourceError, TypedResource, Verb,
    typed::{shaped, values},
};

impl TypedResource {
    /// Runs one SQL statement and gives its rows.
    ///
    /// The parameters serialize to a JSON list: an array, a slice, a tuple, or `()` for none. How
    /// they reach the database is the profile's business: as an argument of the tool, or, where the
    /// tool takes a text and nothing else, as literals of a known dialect that are written where
    /// the statement has placeholders (`$1`, or `?` where there is no `$1`). A profile that knows
    /// neither refuses parameters. Values are never spliced into text in any other way.
    ///
    /// # Errors
    /// Parameters cannot be given, the call failed, or a row does not read as `T`.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the call; the statement may have run.
    pub async fn execute<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: impl Serialize + Send,
    ) -> Result<Vec<T>, ResourceError> {
        let verb = Verb::Execute;
        let refused = |reason: String| ResourceError::Argument { verb, name: "params", reason };
        let params = match serde_json::to_value(params) {
            Ok(Value::Array(params)) => params,
            Ok(Value::Null) => Vec::new(),
            Ok(_) => return Err(refused("they are no list; give an array or a tuple".to_owned())),
            Err(error) => return Err(refused(error.to_string())),
        };
        let values = if self.profile.uses(verb, "params") {
            values([("sql", sql.into()), ("params", params.into())])
        } else if let Some(dialect) = self.profile.sql_literals {
            values([("sql", dialect.bind(sql, &params)?.into())])
        } else if params.is_empty() {
            values([("sql", sql.into())])
        } else {
            return Err(BindError::TextOnly { server: self.server().to_owned() }.into());
        };
        let (rows, step) = self.find(verb, &values).await?;
        rows.into_type().map_err(|source| shaped(verb, step, source))
    }
}
