/** Something about devices that every admin is told. */
export type DeviceNews =
  | { readonly what: 'joined'; readonly name: string; readonly platform: string; readonly by: string }
  | { readonly what: 'renamed'; readonly before: string; readonly after: string; readonly by: string }
  | { readonly what: 'revoked'; readonly name: string; readonly by: string }
  | { readonly what: 'cloned'; readonly name: string };
