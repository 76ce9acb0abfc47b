/** What tabs must have in common to share a connection: `base` and `user` keep applications and people apart. */
export const tabsName = (scope: string, base: string | URL, user: string): string =>
  `belfry/1/${scope}/${base}/${user}`;
