/** A page of the application without the client in it. */
export {};
