//! The shared-credentials file of the AWS tools: sections of `name = value`.

use crate::base::SecretText;
use crate::upstream::s3::settings::StaticCredentials;

/// The credentials of a profile. Reasons name what is missing, never what is there.
pub(super) fn find(text: &str, profile: &str) -> Result<StaticCredentials, String> {
    let mut inside = false;
    let mut seen = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
            inside = section.trim() == profile;
            seen |= inside;
        } else if inside
            && !line.starts_with(['#', ';'])
            && let Some((name, value)) = line.split_once('=')
        {
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "aws_access_key_id" => id = Some(value.to_owned()),
                "aws_secret_access_key" => secret = Some(SecretText::new(value.to_owned())),
                "aws_session_token" => token = Some(SecretText::new(value.to_owned())),
                _ => {}
            }
        }
    }
    if !seen {
        return Err(format!("it has no profile {profile:?}"));
    }
    let missing = |name: &str| format!("profile {profile:?} has no {name}");
    Ok(StaticCredentials {
        access_key_id: id.ok_or_else(|| missing("aws_access_key_id"))?,
        secret_access_key: secret.ok_or_else(|| missing("aws_secret_access_key"))?,
        session_token: token,
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    const FILE: &str = "# comment\r\n[default]\r\naws_access_key_id=A\r\naws_secret_access_key = s=e/c+r#e;t \r\n\
                        ;aws_session_token = no\r\n[ work ] # w\nAWS_ACCESS_KEY_ID = W\naws_secret_access_key=w\n\
                        aws_session_token = tok==\nregion = x\n[half]\naws_access_key_id = H\n";

    #[test]
    fn profiles_are_found() {
        let default = find(FILE, "default").expect("there");
        assert_eq!((default.access_key_id.as_str(), default.secret_access_key.expose()), ("A", "s=e/c+r#e;t"));
        assert!(default.session_token.is_none());
        let work = find(FILE, "work").expect("there");
        assert_eq!((work.access_key_id.as_str(), work.session_token.expect("a token").expose()), ("W", "tok=="));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(find(FILE, "half").err().expect("no secret").contains("aws_secret_access_key"));
        assert!(find(FILE, "none").err().expect("no section").contains("none"));
        assert!(find("", "default").is_err());
    }
}
