//! The AWS provider chain: environment, profiles (assumed roles too), web identity, containers and instance metadata.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_credential_types::{Credentials, provider::error::CredentialsError};

/// The chain as the AWS SDKs walk it. It asks nobody before the first credentials are wanted.
pub(super) async fn default_chain() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(DefaultCredentialsChain::builder().build().await)
}

/// Asks for credentials. The reason says which kind of failure it was; what the sources answered could hold secrets.
pub(super) async fn ask(provider: &SharedCredentialsProvider) -> Result<Credentials, String> {
    provider.provide_credentials().await.map_err(|error| {
        let reason = match error {
            CredentialsError::CredentialsNotLoaded(_) => "none of its sources has credentials",
            CredentialsError::ProviderTimedOut(_) => "a source does not answer",
            CredentialsError::InvalidConfiguration(_) => "its configuration is wrong",
            CredentialsError::ProviderError(_) => "a source answers with an error",
            _ => "it fails",
        };
        format!("the AWS provider chain: {reason}")
    })
}
