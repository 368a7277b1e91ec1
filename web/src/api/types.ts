// The nouns of the API by the names this application uses. `schema.d.ts` is made of the gateway's
// own description of it.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Me = Schemas["Me"];
export type User = Schemas["User"];
export type Group = Schemas["Group"];
export type Target = Schemas["TargetView"];
export type AccountForm = Schemas["AccountForm"];
export type Account = Schemas["Account"];
export type Policy = Schemas["Policy"];
export type Terms = Schemas["Terms"];
export type Checkout = Schemas["CheckoutView"];
export type NewCheckout = Schemas["NewCheckout"];
export type Session = Schemas["SessionView"];
export type Recording = Schemas["RecordingView"];
export type Entry = Schemas["Entry"];
export type Token = Schemas["Token"];
export type Factors = Schemas["FactorsView"];
export type FactorKind = Factors["could_show"][number];
export type PasskeyRequest = Schemas["PasskeyRequest"];
export type PasskeyCreation = Schemas["PasskeyCreation"];
export type PasskeyProof = Schemas["PasskeyProof"];
export type NewPasskey = Schemas["NewPasskey"];
export type AppSetUp = Schemas["AppSetUp"];
export type SignIn = Schemas["SignInView"];
export type HalfSignedIn = Schemas["HalfSignedIn"];
export type SshFacts = Schemas["SshFacts"];
export type Channel = Schemas["ChannelView"];
export type Delivery = Schemas["Delivery"];
export type Happening = Schemas["Event"];
export type FileRecord = Schemas["FileRecord"];
export type Standing = Schemas["Standing"];
export type Role = User["roles"][number];

export interface Page<T> {
  items: T[];
  next?: string | null;
}
