"""The first eleven schema steps, apart for length alone; none is ever edited, and `migrations` has all steps."""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database as Tables
from sqlite_utils.migrations import Migrations

migrations: Final = Migrations("nodexa")


@migrations(name="0001_administration")
def administration(db: Tables) -> None:
    """Tenants and what an administrator keeps for them."""
    db.execute("""
        create table organizations(
          id text primary key, name text not null, operator integer not null default 0,
          created_at integer not null, disabled_at integer) strict""")
    db.execute("""
        create table api_keys(
          id text primary key, org_id text not null references organizations(id),
          name text not null, hint text not null,
          key_hmac blob not null unique check(length(key_hmac) = 32),
          scopes text not null check(json_valid(scopes)), created_at integer not null, revoked_at integer) strict""")
    db.execute("create index api_keys_org on api_keys(org_id, id)")
    db.execute("""
        create table assistants(
          id text primary key, org_id text not null references organizations(id),
          model text not null, config text not null check(json_valid(config)), created_at integer not null,
          updated_at integer not null, deleted_at integer) strict""")
    db.execute("create index assistants_org on assistants(org_id, id) where deleted_at is null")
    db.execute("create index assistants_model on assistants(model) where deleted_at is null")
    db.execute("""
        create table models(
          name text primary key, config text not null check(json_valid(config)), created_at integer not null) strict""")


@migrations(name="0002_responses")
def responses(db: Tables) -> None:
    """Responses and their logs. What changes with every batch is a small row; the rest is written once."""
    db.execute("""
        create table responses(
          id text primary key, org_id text not null references organizations(id), assistant_id text not null,
          user_id text, key_id text not null, previous_response_id text,
          status text not null check(status in
            ('queued','in_progress','requires_action','completed','failed','incomplete','cancelled')),
          background integer not null, created_at integer not null, finished_at integer,
          expires_at integer not null, last_seq integer not null default -1) strict, without rowid""")
    db.execute("create index responses_org on responses(org_id, id)")
    db.execute("create index responses_work on responses(status) where status in ('queued','in_progress')")
    db.execute("create index responses_expiry on responses(expires_at)")
    db.execute("""
        create table response_requests(
          response_id text primary key references responses(id) on delete cascade,
          settings blob not null, input blob not null) strict, without rowid""")
    db.execute("""
        create table response_results(
          response_id text primary key references responses(id) on delete cascade,
          response blob not null) strict, without rowid""")
    db.execute("""
        create table response_segments(
          response_id text not null references responses(id) on delete cascade,
          first_seq integer not null, last_seq integer not null check(last_seq >= first_seq), batch blob not null,
          primary key(response_id, first_seq)) strict, without rowid""")
    db.execute("""
        create trigger responses_transition before update of status on responses
        when new.status <> old.status and not (
          (old.status = 'queued' and new.status in ('in_progress','cancelled','failed')) or
          (old.status = 'in_progress' and
           new.status in ('requires_action','completed','failed','incomplete','cancelled')))
        begin select raise(abort, 'illegal status transition'); end""")
    db.execute("""
        create trigger responses_frozen
        before update of id, org_id, assistant_id, user_id, previous_response_id on responses
        begin select raise(abort, 'immutable column'); end""")
    db.execute("""
        create trigger segments_append_only before update on response_segments
        begin select raise(abort, 'the log is append only'); end""")
    db.execute("""
        create trigger segments_in_order before insert on response_segments
        when not exists (select 1 from responses r where r.id = new.response_id and r.last_seq = new.last_seq)
        begin select raise(abort, 'segment out of order'); end""")


@migrations(name="0003_output_items")
def output_items(db: Tables) -> None:
    """Which response an item was written in, so that a later request can refer to it."""
    db.execute("""
        create table response_items(
          response_id text not null references responses(id) on delete cascade, item_id text not null,
          primary key(response_id, item_id)) strict, without rowid""")
    db.execute("create index response_items_item on response_items(item_id)")


@migrations(name="0004_key_dialect")
def key_dialect(db: Tables) -> None:
    """What the streams of a key say: a number of ApiKey.Dialect."""
    db.execute("alter table api_keys add column dialect integer not null default 0")


@migrations(name="0005_conversations")
def conversations(db: Tables) -> None:
    """Conversations and their items. One is locked while a response of it runs, and only one can."""
    db.execute("""
        create table conversations(
          id text primary key, org_id text not null references organizations(id), user_id text,
          metadata text not null check(json_valid(metadata)), created_at integer not null,
          revision integer not null default 0) strict, without rowid""")
    db.execute("""
        create table conversation_items(
          conversation_id text not null references conversations(id) on delete cascade, position integer not null,
          item_id text not null, item blob not null, primary key(conversation_id, position)) strict, without rowid""")
    db.execute("create unique index conversation_items_item on conversation_items(item_id, conversation_id)")
    db.execute("alter table responses add column conversation_id text")
    db.execute("""
        create unique index responses_of_conversation on responses(conversation_id)
        where conversation_id is not null and status in ('queued','in_progress')""")
    db.execute("""
        create trigger responses_conversation_frozen before update of conversation_id on responses
        begin select raise(abort, 'immutable column'); end""")


@migrations(name="0006_log_retention")
def log_retention(db: Tables) -> None:
    """Logs are deleted before their responses are."""
    db.execute("alter table responses add column log_dropped integer not null default 0")
    db.execute("create index responses_logged on responses(finished_at) where log_dropped = 0")


@migrations(name="0007_ownership")
def ownership(db: Tables) -> None:
    """Which core writes a response: its heartbeat is the lease, and the epoch only rises."""
    db.execute("create table cores(id text primary key, heard_at integer not null) strict, without rowid")
    db.execute("alter table responses add column owner text not null default ''")
    db.execute("alter table responses add column lease_epoch integer not null default 0")
    db.execute("alter table responses add column cancel_requested integer not null default 0")
    db.execute("""
        create trigger responses_epoch before update of lease_epoch on responses
        when new.lease_epoch < old.lease_epoch begin select raise(abort, 'an epoch never falls'); end""")


@migrations(name="0008_conversation_tokens")
def conversation_tokens(db: Tables) -> None:
    """What the last turn of a conversation spent; null where nobody counted, or its items were changed since."""
    db.execute("alter table conversations add column tokens integer")


@migrations(name="0009_limits")
def limits(db: Tables) -> None:
    """How much a key or an organization may use; null is no limit."""
    for table in ("api_keys", "organizations"):
        for column in ("requests_per_minute", "tokens_per_minute", "concurrent_runs"):
            db.execute(f"alter table {table} add column {column} integer check({column} > 0)")


@migrations(name="0010_audit")
def audit(db: Tables) -> None:
    """What administrators did. Rows are only ever added, and deleted when they are old."""
    db.execute("""
        create table audit_events(
          id text primary key, org_id text not null references organizations(id), key_id text not null,
          request_id text not null, act text not null, target_id text not null,
          changes text not null check(json_valid(changes)), created_at integer not null) strict, without rowid""")
    db.execute("create index audit_events_org on audit_events(org_id, id)")
    db.execute("create index audit_events_age on audit_events(created_at)")
    db.execute("""
        create trigger audit_events_append_only before update on audit_events
        begin select raise(abort, 'the audit log is append only'); end""")


@migrations(name="0011_requests")
def requests(db: Tables) -> None:
    """Ids that callers gave their requests; kept for a day."""
    db.execute("""
        create table requests(
          key_id text not null, request_id text not null, digest blob not null check(length(digest) = 32),
          response_id text not null references responses(id) on delete cascade, created_at integer not null,
          primary key(key_id, request_id)) strict, without rowid""")
    db.execute("create index requests_age on requests(created_at)")
    db.execute("create index requests_response on requests(response_id)")
