//! Signs the newest link of the audit chain, at least once a minute with activity.
//!
//! The newest checkpoint is also kept beside the database, so that an older copy of the
//! database that is put back is noticed.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    audit::{self, PublicKey},
    clock::Clock,
    config::Config,
    store::{Store, StoreError},
    vault::SigningKey,
};

/// The first signs what the start itself wrote.
const FIRST: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Checkpoints {
    store: Store,
    clock: Clock,
    signer: Arc<SigningKey>,
    witness: PathBuf,
}

impl Checkpoints {
    pub fn new(config: &Config, store: Store, clock: Clock, signer: SigningKey) -> Self {
        let witness = witness(config);
        Self {
            store,
            clock,
            signer: Arc::new(signer),
            witness,
        }
    }

    pub fn public_key(&self) -> PublicKey {
        PublicKey::of(self.signer.key_pair())
    }

    pub async fn run(self, stop: CancellationToken) {
        let mut pause = FIRST;
        while stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_some()
        {
            self.write().await;
            pause = EVERY;
        }
    }

    pub async fn write(&self) {
        if let Err(error) = self.try_write().await {
            warn!(%error, "Audit checkpoint not written");
        }
    }

    async fn try_write(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let checkpoint =
            audit::checkpoint(&mut tx, self.signer.key_pair(), self.clock.now()).await?;
        tx.commit().await?;
        if let Some(checkpoint) = checkpoint
            && let Err(error) = audit::renew_witness(&self.store, &self.witness, &checkpoint).await
        {
            warn!(file = %self.witness.display(), %error, "Audit checkpoint not kept beside the database");
        }
        Ok(())
    }
}

/// Where the newest checkpoint is kept.
pub fn witness(config: &Config) -> PathBuf {
    config.data.dir.join("audit.witness")
}
