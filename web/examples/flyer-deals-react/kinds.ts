// Written by `belfry types`. Do not edit: change the kind files and write it again.
/* eslint-disable */
export {};

/** Deals on items that a user watches. */
export type DealNotificationData = {
  /** The deals, best first. */
  deals: DealInfo[];
  /** The sentence to show. */
  message: string;
  /** The stored notification's id; two publishes with the same one are the same notification. */
  notification_id?: string;
  /** Whose watched items these are. */
  user_id: string;
};

/** One deal on a watched item. */
export type DealInfo = {
  /** The best price, in cents. */
  best_price_in_cents: number;
  /** The watched item. */
  item_name: string;
  /** The store's id. */
  store_id: number | string;
  /** The store that offers it. */
  store_name: string;
};

/** A background job that affects the user's data has ended. */
export type JobCompletedData = {
  /** When it ended. */
  finished_at: string;
  /** The job's id. */
  job_id: string;
  /** What the job is called. */
  job_name: string;
  /** The sentence to show. */
  message: string;
  /** How it ended. */
  status: "succeeded" | "failed";
};

/** An announcement to everyone. */
export type SystemMessageData = {
  /** Where more can be read: a path, or an https URL. */
  link?: string;
  /** The announcement. */
  message: string;
  /** How it is shown. */
  severity: "info" | "warning" | "error";
};

declare global {
  /** The declared kinds and their payloads. */
  interface BelfryKinds {
    "deal-notification": DealNotificationData;
    "job-completed": JobCompletedData;
    "system-message": SystemMessageData;
  }
  /** The events of the bus and what their handlers get. */
  interface BelfryEvents {
    "notification:deal": DealNotificationData;
    "notification:job": JobCompletedData;
    "notification:system": SystemMessageData;
  }
}
