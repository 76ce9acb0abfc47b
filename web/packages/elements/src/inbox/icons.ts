/** Icons of the inbox. */

export const read = 'm3 8.4 3.2 3.2L13 4.8';
export const unread = 'M8 4.8a3.2 3.2 0 1 0 .1 0Z';
export const checks = 'm1.6 8.6 3 3 6-6.6M8 10.6l1 1 5.6-6.4';
export const archive = 'M2.2 3h11.6v3H2.2ZM3.2 6v7h9.6V6M6.4 8.6h3.2';
