import protobuf from 'protobufjs';

/**
 * Frames of the long connection, as `@larksuiteoapi/node-sdk` 1.74 encodes and decodes them (`pbbp2.Frame` in its
 * bundle): protocol buffers, proto2.
 */
const { root } = protobuf.parse(
  `syntax = "proto2";
package pbbp2;
message Header { required string key = 1; required string value = 2; }
message Frame {
  required uint64 SeqID = 1;
  required uint64 LogID = 2;
  required int32 service = 3;
  required int32 method = 4;
  repeated Header headers = 5;
  optional string payloadEncoding = 6;
  optional string payloadType = 7;
  optional bytes payload = 8;
  optional string LogIDNew = 9;
}`,
  { keepCase: true },
);
// Now: the SDK, which is loaded later in some tests, sets the same library to do without 64-bit numbers.
root.resolveAll();
const Type = root.lookupType('pbbp2.Frame');

export interface Frame {
  /** 0 control, 1 data. */
  readonly method: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Buffer;
}

export const CONTROL = 0;
export const DATA = 1;

export function encodeFrame({ method, headers, payload }: Frame): Uint8Array {
  const frame = {
    SeqID: 1,
    LogID: 1,
    service: 1,
    method,
    headers: Object.entries(headers).map(([key, value]) => ({ key, value })),
    payload,
  };
  return Type.encode(Type.create(frame)).finish();
}

/** @throws where the bytes are no frame */
export function decodeFrame(bytes: Uint8Array): Frame {
  const frame = Type.decode(bytes) as unknown as {
    method: number;
    headers: { key: string; value: string }[];
    payload?: Uint8Array;
  };
  return {
    method: frame.method,
    headers: Object.fromEntries(frame.headers.map(({ key, value }) => [key, value])),
    payload: Buffer.from(frame.payload ?? []),
  };
}
