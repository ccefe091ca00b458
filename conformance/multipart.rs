//! What the multipart tests share: an upload in flight.

use crate::harness::{Reply, Request, Server, md5_hex};

/// S3's smallest part that is not the last.
pub(crate) const MIN_PART: usize = 5 << 20;

/// An upload in flight.
pub(crate) struct Upload {
    pub(crate) path: String,
    pub(crate) id: String,
}

impl Upload {
    #[track_caller]
    pub(crate) fn begin(server: &Server, path: &str) -> Self {
        Self::from(server, Request::post(path, ""), path)
    }

    /// `request` with `?uploads` added.
    #[track_caller]
    pub(crate) fn from(server: &Server, request: Request, path: &str) -> Self {
        let reply = server.send(&request.query("uploads", ""));
        reply.assert_status(200);
        Self { path: path.to_owned(), id: reply.xml("UploadId").expect("an upload id") }
    }

    pub(crate) fn part(&self, number: u32, body: impl Into<Vec<u8>>) -> Request {
        self.with_id(Request::put(&self.path, body).query("partNumber", &number.to_string()))
    }

    pub(crate) fn with_id(&self, request: Request) -> Request {
        request.query("uploadId", &self.id)
    }

    /// Sends a part and returns its ETag.
    #[track_caller]
    pub(crate) fn send_part(&self, server: &Server, number: u32, body: &[u8]) -> String {
        let reply = server.send(&self.part(number, body));
        reply.assert_status(200);
        reply.header("etag").expect("an ETag").to_owned()
    }

    pub(crate) fn complete_with(&self, xml: &str) -> Request {
        self.with_id(Request::post(&self.path, xml))
    }

    pub(crate) fn complete(&self, parts: &[(u32, &str)]) -> Request {
        let parts: String = parts
            .iter()
            .map(|(number, etag)| {
                let etag = etag.replace('"', "&quot;");
                format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
            })
            .collect();
        self.complete_with(&format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"))
    }

    pub(crate) fn list_parts(&self, server: &Server) -> Reply {
        let reply = server.send(&self.with_id(Request::get(&self.path)));
        reply.assert_status(200);
        reply
    }
}

/// The ETag of an object that was made of these parts.
pub(crate) fn multipart_etag(parts: &[&[u8]]) -> String {
    let md5s: Vec<u8> = parts.iter().flat_map(|part| hex::decode(md5_hex(part)).expect("hex")).collect();
    format!("\"{}-{}\"", md5_hex(&md5s), parts.len())
}
