//! What `dev` and `serve` say on standard output once they answer. The last line starts with `ready` and names the
//! address: scripts wait for it.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::app::ShownCredential;
use crate::config::ROOT_SECRET_KEY_VARIABLE;
use crate::gateway::Scheme;

/// The line that scripts wait for.
pub(super) fn ready(scheme: Scheme, s3: SocketAddr) -> String {
    format!("ready {}://{s3}\n", scheme.name())
}

/// How to talk to `dev`, to be pasted into a shell.
pub(super) fn dev(
    s3: SocketAddr,
    admin: SocketAddr,
    data: &Path,
    root: &ShownCredential,
) -> Result<String, fmt::Error> {
    let endpoint = format!("http://{}", reachable(s3));
    let id = &root.access_key_id;
    let (shown, pasted) = match &root.secret {
        Some(secret) => (secret.expose().to_owned(), secret.expose().to_owned()),
        // Expanded by the user's own shell: a secret that was given is not printed.
        None => (format!("(from {ROOT_SECRET_KEY_VARIABLE})"), format!("\"${ROOT_SECRET_KEY_VARIABLE}\"")),
    };
    let mut out = String::new();
    writeln!(out, "endpoint    {endpoint}")?;
    writeln!(out, "access key  {id}")?;
    writeln!(out, "secret key  {shown}")?;
    writeln!(out, "health      http://{}/readyz", reachable(admin))?;
    writeln!(out, "data        {}", data.display())?;
    writeln!(out)?;
    writeln!(out, "# aws-cli")?;
    writeln!(out, "export AWS_ACCESS_KEY_ID={id} AWS_SECRET_ACCESS_KEY={pasted}")?;
    // Versions before 2.13, which distributions have, know no AWS_ENDPOINT_URL.
    writeln!(out, "export AWS_DEFAULT_REGION=us-east-1; aws() {{ command aws --endpoint-url {endpoint} \"$@\"; }}")?;
    writeln!(out, "aws s3 mb s3://demo && aws s3 cp /etc/hostname s3://demo/ && aws s3 ls s3://demo")?;
    writeln!(out)?;
    writeln!(out, "# rclone")?;
    writeln!(
        out,
        "export RCLONE_CONFIG_CK_TYPE=s3 RCLONE_CONFIG_CK_PROVIDER=Other RCLONE_CONFIG_CK_ENDPOINT={endpoint}"
    )?;
    writeln!(out, "export RCLONE_CONFIG_CK_ACCESS_KEY_ID={id} RCLONE_CONFIG_CK_SECRET_ACCESS_KEY={pasted}")?;
    writeln!(out, "rclone mkdir ck:demo && rclone copy /etc/hostname ck:demo && rclone ls ck:demo")?;
    writeln!(out)?;
    Ok(out)
}

/// Where a client on this machine finds a listener that takes any address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SecretText;

    fn shown(secret: Option<&str>) -> String {
        let root = ShownCredential {
            access_key_id: "CK01".to_owned(),
            secret: secret.map(|secret| SecretText::new(secret.to_owned())),
        };
        let (s3, admin) = ("0.0.0.0:9000".parse().unwrap(), "127.0.0.1:9001".parse().unwrap());
        dev(s3, admin, Path::new("/data"), &root).unwrap()
    }

    #[test]
    fn lines_are_ready_to_paste() {
        let text = shown(Some("s3cr3t"));
        assert!(text.contains("export AWS_ACCESS_KEY_ID=CK01 AWS_SECRET_ACCESS_KEY=s3cr3t\n"), "{text}");
        assert!(text.contains("aws() { command aws --endpoint-url http://127.0.0.1:9000 \"$@\"; }\n"), "{text}");
    }

    #[test]
    fn secret_that_was_given_is_named_and_not_printed() {
        let text = shown(None);
        assert!(text.contains("AWS_SECRET_ACCESS_KEY=\"$CRYPT_KEEPER_ROOT_SECRET_KEY\"\n"), "{text}");
    }

    #[test]
    fn ready_line_names_the_address() {
        let address = "127.0.0.1:4711".parse().unwrap();
        assert_eq!(ready(Scheme::Http, address), "ready http://127.0.0.1:4711\n");
        assert_eq!(ready(Scheme::Https, address), "ready https://127.0.0.1:4711\n");
    }
}
