// How the SDK reads the global interfaces: with none filled, any kind and any object.
declare global {
  interface BelfryKinds {}
  interface BelfryEvents {}
}
export type JsonObject = { [key: string]: unknown };
export type Kinds = [keyof BelfryKinds] extends [never] ? Record<string, JsonObject> : BelfryKinds;
export type Events = [keyof BelfryEvents] extends [never] ? Record<string, JsonObject> : BelfryEvents;
export type Kind = keyof Kinds & string;
export declare function on<K extends Kind>(kind: K, handler: (data: Kinds[K]) => void): void;
export declare function onEvent<E extends keyof Events & string>(event: E, handler: (data: Events[E]) => void): void;
export declare function publish<K extends Kind>(kind: K, data: Kinds[K]): void;
export declare function anything(data: JsonObject): void;
