//! Where pins are kept: in a file of this user, or with the replicas of a service.

use std::collections::BTreeMap;

#[cfg(feature = "postgres")]
use mcp_agent::store::{KeptPins, PostgresStore, SharedPinStore as _, StoreError};
use mcp_client::{
    HubOptions,
    pins::{Drift, PinFile, PinStore as _, ServerPins},
};

use crate::{
    args::KeptIn,
    error_report::{Report, Result},
    exit_code::ErrorCode,
    pins,
    trust::kept,
};

/// A store of pins.
pub(crate) enum PinsKept {
    File(PinFile),
    #[cfg(feature = "postgres")]
    Replicas(PostgresStore),
}

#[cfg_attr(
    not(feature = "postgres"),
    expect(clippy::unused_async, reason = "pins are in a file of this user")
)]
impl PinsKept {
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "pins are in a file of this user")
    )]
    pub(crate) async fn open(place: &KeptIn) -> Result<Self> {
        #[cfg(feature = "postgres")]
        if let (Some(postgres), Some(key)) = (&place.postgres, &place.store_key) {
            return Ok(Self::Replicas(crate::replicas::postgres(postgres, key).await?));
        }
        let file = pins::file().ok_or_else(|| {
            Report::new(ErrorCode::Config, "there is no home folder to keep pins in")
        })?;
        Ok(Self::File(file))
    }

    /// Those of all servers. Replicas keep the keys hidden: one that is in `names` is told by it,
    /// the others by what is kept.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "a file has the names in it")
    )]
    pub(crate) async fn all(
        &self,
        names: impl FnOnce() -> Result<Vec<String>>,
    ) -> Result<BTreeMap<String, ServerPins>> {
        match self {
            Self::File(file) => Ok(file.all().map_err(|error| kept(&error))?),
            #[cfg(feature = "postgres")]
            Self::Replicas(store) => {
                let names = names()?;
                let mut names: BTreeMap<String, String> =
                    names.into_iter().map(|name| (KeptPins::key_of(&name), name)).collect();
                let keys = store.revisions().await.map_err(|error| shared(&error))?;
                let keys: Vec<String> = keys.into_keys().collect();
                let all = store.load(&keys).await.map_err(|error| shared(&error))?;
                let told =
                    |kept: KeptPins| (names.remove(&kept.key).unwrap_or(kept.key), kept.pins);
                Ok(all.into_iter().map(told).collect())
            }
        }
    }

    /// Those of one server.
    pub(crate) async fn load(&self, key: &str) -> Result<Option<ServerPins>> {
        match self {
            Self::File(file) => Ok(file.load(key).map_err(|error| kept(&error))?),
            #[cfg(feature = "postgres")]
            Self::Replicas(store) => {
                let found = store.load(&[KeptPins::key_of(key)]).await;
                Ok(found.map_err(|error| shared(&error))?.pop().map(|kept| kept.pins))
            }
        }
    }

    /// Changes those of one server. Where others change them too, `change` may be asked again.
    pub(crate) async fn change(
        &self,
        key: &str,
        change: impl Fn(Option<ServerPins>) -> (ServerPins, Vec<Drift>),
    ) -> Result<Vec<Drift>> {
        match self {
            Self::File(file) => {
                let (pins, drift) = change(file.load(key).map_err(|error| kept(&error))?);
                file.save(key, pins).map_err(|error| kept(&error))?;
                Ok(drift)
            }
            #[cfg(feature = "postgres")]
            Self::Replicas(store) => {
                let own = [KeptPins::key_of(key)];
                // Who loses has seen another win, so this ends.
                loop {
                    let found = store.load(&own).await.map_err(|error| shared(&error))?.pop();
                    let revision = found.as_ref().map(|kept| kept.revision);
                    let (pins, drift) = change(found.map(|kept| kept.pins));
                    let done = match revision {
                        Some(revision) => store.replace(&own[0], revision, &pins).await,
                        None => store.insert(&own[0], &pins).await,
                    };
                    if done.map_err(|error| shared(&error))? {
                        return Ok(drift);
                    }
                }
            }
        }
    }

    /// Has servers use the logins that are kept in the same place.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_self, unused_variables, reason = "logins are in files")
    )]
    pub(crate) fn logins(&self, options: &mut HubOptions) {
        #[cfg(feature = "postgres")]
        if let Self::Replicas(store) = self {
            let store = store.clone();
            options.authorize(move |_| Some(crate::access::kept_in(store.clone())));
        }
    }
}

#[cfg(feature = "postgres")]
fn shared(error: &StoreError) -> Report {
    Report::new(ErrorCode::Unreachable, "the pins of the replicas cannot be used")
        .cause(error.to_string())
        .causes_of(error)
}
