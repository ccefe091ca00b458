// The AWS SDK for JavaScript v3 with its own defaults (CRC32 trailers over aws-chunked, path style because the test has
// no DNS): what an application does with a bucket. Prints one JSON line of what it saw; any surprise is an exception.
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  CopyObjectCommand, CreateBucketCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand,
  ListObjectsV2Command, PutObjectCommand, S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const [endpoint, bucket, keysJson] = process.argv.slice(2);
const client = new S3Client({ endpoint, region: process.env.AWS_DEFAULT_REGION, forcePathStyle: true, maxAttempts: 1 });
const send = (command) => client.send(command);
const same = (what, a, b) => { if (a !== b) throw new Error(`${what}: ${a} is not ${b}`); };
const md5 = (data) => createHash("md5").update(data).digest("hex");
const bytes = async (answer) => Buffer.from(await answer.Body.transformToByteArray());

await send(new CreateBucketCommand({ Bucket: bucket }));
const seen = {};
for (const size of [0, 1, 16384, 5 * 1024 * 1024 + 1]) {
  const data = randomBytes(size), Key = `size/${size}`;
  const put = await send(new PutObjectCommand({ Bucket: bucket, Key, Body: data, Metadata: { note: encodeURIComponent("ünï") }, ContentType: "x/y" }));
  same("ETag", put.ETag, `"${md5(data)}"`);
  const got = await send(new GetObjectCommand({ Bucket: bucket, Key }));
  same("bytes", md5(await bytes(got)), md5(data));
  same("type", got.ContentType, "x/y");
  const head = await send(new HeadObjectCommand({ Bucket: bucket, Key }));
  same("length", head.ContentLength, size);
  seen[Key] = size;
}
for (const Key of JSON.parse(keysJson)) {
  await send(new PutObjectCommand({ Bucket: bucket, Key, Body: "strange" }));
  same(Key, (await bytes(await send(new GetObjectCommand({ Bucket: bucket, Key })))).toString(), "strange");
  seen[Key] = 7;
}
// A stream of unknown length: lib-storage turns it into parts.
const whole = randomBytes(11 * 1024 * 1024);
await new Upload({ client, partSize: 5 * 1024 * 1024,
  params: { Bucket: bucket, Key: "stream", Body: Readable.from([whole.subarray(0, 7e6), whole.subarray(7e6)]) } }).done();
same("stream", md5(await bytes(await send(new GetObjectCommand({ Bucket: bucket, Key: "stream" })))), md5(whole));
const range = await send(new GetObjectCommand({ Bucket: bucket, Key: "stream", Range: "bytes=5242870-5242890" }));
same("range", md5(await bytes(range)), md5(whole.subarray(5242870, 5242891)));
await send(new CopyObjectCommand({ Bucket: bucket, Key: "copy", CopySource: `${bucket}/stream` }));
same("copy", md5(await bytes(await send(new GetObjectCommand({ Bucket: bucket, Key: "copy" })))), md5(whole));
seen.stream = seen.copy = whole.length;

const url = await getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: "size/16384" }), { expiresIn: 60 });
same("presigned GET", (await (await fetch(url)).arrayBuffer()).byteLength, 16384);
const up = await getSignedUrl(client, new PutObjectCommand({ Bucket: bucket, Key: "presigned" }), { expiresIn: 60 });
same("presigned PUT", (await fetch(up, { method: "PUT", body: "by URL" })).status, 200);
seen.presigned = 6;

const listed = await send(new ListObjectsV2Command({ Bucket: bucket }));
for (const { Key, Size } of listed.Contents) same(`LIST ${Key}`, Size, seen[Key]);
same("LIST", listed.Contents.length, Object.keys(seen).length);
try {
  await send(new GetObjectCommand({ Bucket: bucket, Key: "none" }));
  throw new Error("an object that is not there was read");
} catch (error) {
  same("error", error.name, "NoSuchKey");
}
const gone = await send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: listed.Contents.map(({ Key }) => ({ Key })) } }));
same("deleted", gone.Deleted.length, listed.Contents.length);
console.log(JSON.stringify({ objects: listed.Contents.length }));
