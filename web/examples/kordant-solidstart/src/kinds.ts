// Written by `belfry types`. Do not edit: change the kind files and write it again.
/* eslint-disable */
export {};

/** A data broker lists a family member. */
export type BrokerListingFoundData = {
  /** When the service noticed it. */
  detected_at: string;
  /** What the broker lists. */
  listed: string[];
  /** The listing's id in the application. */
  listing_id?: string;
  /** Where the listing can be seen. */
  listing_url?: string;
  /** How far the removal is. */
  removal_status?: "not_requested" | "requested" | "removed" | "refused";
  /** The service that raised the alert. */
  service: "RemoveBrokers";
  /** How the service rates it. */
  severity: "info" | "warning" | "critical";
  /** The data broker. */
  source: string;
  /** The family member it is about, by name. */
  subject: string;
  /** The family member's id in the application. */
  subject_id?: string;
};

/** Data of a family member was found in a leak. */
export type ExposureDetectedData = {
  /** The account concerned, shortened for the screen, for example m…@example.com. */
  account?: string;
  /** When the service noticed it. */
  detected_at: string;
  /** What was exposed. */
  exposed: ExposedField[];
  /** The finding's id in the application. */
  exposure_id?: string;
  /** The service that raised the alert. */
  service: "DarkWatch";
  /** How the service rates it. */
  severity: "info" | "warning" | "critical";
  /** Where the data was found, for example the name of the leak. */
  source: string;
  /** The family member it is about, by name. */
  subject: string;
  /** The family member's id in the application. */
  subject_id?: string;
};

/** What kind of data is exposed. */
export type ExposedField = "email" | "password" | "phone" | "address" | "date_of_birth" | "national_id" | "card_number" | "bank_account" | "other";

/** A public record of a family member's property changed. */
export type PropertyChangedData = {
  /** What changed. */
  change: "owner" | "lien" | "mortgage" | "address" | "value" | "other";
  /** What the record says now. */
  current?: string | null;
  /** When the service noticed it. */
  detected_at: string;
  /** What the record said before. */
  previous?: string | null;
  /** The property, as the family calls it, or its address. */
  property: string;
  /** The record's id in the application. */
  record_id?: string;
  /** The service that raised the alert. */
  service: "HomeTitle";
  /** How the service rates it. */
  severity: "info" | "warning" | "critical";
  /** The register that holds the record, for example the county recorder. */
  source: string;
  /** The family member it is about, by name. */
  subject: string;
  /** The family member's id in the application. */
  subject_id?: string;
};

/** A spam call or message was blocked. */
export type SpamBlockedData = {
  /** How often this sender has been blocked so far. */
  blocked_count?: number;
  /** How it tried to get through. */
  channel: "call" | "text_message" | "voicemail";
  /** When the service noticed it. */
  detected_at: string;
  /** Why it was blocked, for example the campaign it belongs to. */
  reason?: string;
  /** The service that raised the alert. */
  service: "SpamShield";
  /** How the service rates it. */
  severity: "info" | "warning" | "critical";
  /** The number or sender that was blocked. */
  source: string;
  /** The family member it is about, by name. */
  subject: string;
  /** The family member's id in the application. */
  subject_id?: string;
};

/** A recording imitates the voice of a family member. */
export type SyntheticVoiceFoundData = {
  /** Who the voice claimed to be. */
  caller_claim?: string;
  /** How sure the service is that the voice is synthetic. */
  confidence: number;
  /** When the service noticed it. */
  detected_at: string;
  /** The recording's id in the application. */
  recording_id?: string;
  /** The service that raised the alert. */
  service: "VoicePrint";
  /** How the service rates it. */
  severity: "info" | "warning" | "critical";
  /** Where the recording came from, for example a phone number or a platform. */
  source: string;
  /** The family member it is about, by name. */
  subject: string;
  /** The family member's id in the application. */
  subject_id?: string;
};

/** What each kind is called on the event bus: `createClient({ events: kindEvents })`. */
export const kindEvents: Readonly<Record<string, string>> = {
  "broker-listing-found": "notification:broker-listing-found",
  "exposure-detected": "notification:exposure-detected",
  "property-changed": "notification:property-changed",
  "spam-blocked": "notification:spam-blocked",
  "synthetic-voice-found": "notification:synthetic-voice-found",
};

declare global {
  /** The declared kinds and their payloads. */
  interface BelfryKinds {
    "broker-listing-found": BrokerListingFoundData;
    "exposure-detected": ExposureDetectedData;
    "property-changed": PropertyChangedData;
    "spam-blocked": SpamBlockedData;
    "synthetic-voice-found": SyntheticVoiceFoundData;
  }
  /** The events of the bus and what their handlers get. */
  interface BelfryEvents {
    "notification:broker-listing-found": BrokerListingFoundData;
    "notification:exposure-detected": ExposureDetectedData;
    "notification:property-changed": PropertyChangedData;
    "notification:spam-blocked": SpamBlockedData;
    "notification:synthetic-voice-found": SyntheticVoiceFoundData;
  }
}
