"""Numbered schema steps, behind the first ones of `early_migrations`; the newest is last and none is ever edited.

A step is as long as what it makes.
"""

from __future__ import annotations

from sqlite_utils import Database as Tables

# Its steps are before those that are added here, because it is read first.
from service.store.early_migrations import migrations

__all__ = ["migrations", "newer_steps"]


@migrations(name="0012_knowledge")
def knowledge(db: Tables) -> None:
    """Files in pieces, and vector stores. What can be searched stands in a table a tenant, made when it is needed."""
    db.execute("""
        create table files(
          id text primary key, org_id text not null references organizations(id), filename text not null,
          purpose integer not null, size integer not null, complete integer not null, created_at integer not null,
          expires_at integer, deleted integer not null default 0) strict, without rowid""")
    db.execute("create index files_org on files(org_id, id) where complete = 1 and deleted = 0")
    db.execute("create index files_expiry on files(expires_at) where expires_at is not null")
    db.execute("""
        create table file_pieces(
          file_id text not null references files(id) on delete cascade, start integer not null, data blob not null,
          primary key(file_id, start)) strict""")
    db.execute("""
        create table vector_stores(
          id text primary key, org_id text not null references organizations(id), name text not null,
          description text not null, metadata text not null check(json_valid(metadata)),
          expires_after_days integer not null, created_at integer not null, active_at integer not null,
          deleted integer not null default 0) strict, without rowid""")
    db.execute("create index vector_stores_org on vector_stores(org_id, id) where deleted = 0")
    db.execute("""
        create table vector_store_batches(
          id text primary key, vector_store_id text not null references vector_stores(id) on delete cascade,
          created_at integer not null, cancelled integer not null default 0) strict, without rowid""")
    db.execute("create index vector_store_batches_store on vector_store_batches(vector_store_id)")
    db.execute("""
        create table vector_store_files(
          id integer primary key autoincrement,
          vector_store_id text not null references vector_stores(id), file_id text not null references files(id),
          batch_id text not null, status text not null
            check(status in ('in_progress','completed','failed','cancelled','deleted')),
          error_code text not null default '', error_message text not null default '',
          attributes text not null check(json_valid(attributes)), chunk_tokens integer not null,
          overlap_tokens integer not null, size integer not null default 0, created_at integer not null,
          swept integer not null default 0, claim text not null default '', claimed_until integer not null default 0)
          strict""")
    db.execute("""
        create unique index vector_store_files_file on vector_store_files(vector_store_id, file_id)
        where status <> 'deleted'""")
    db.execute("""
        create index vector_store_files_work on vector_store_files(status, id)
        where swept = 0 and status <> 'completed'""")
    db.execute("create index vector_store_files_of_file on vector_store_files(file_id)")
    db.execute("create index vector_store_files_of_batch on vector_store_files(batch_id) where batch_id <> ''")
    db.execute("""
        create table passages(
          id integer primary key autoincrement,
          vector_store_file_id integer not null references vector_store_files(id), place integer not null) strict""")
    db.execute("create unique index passages_place on passages(vector_store_file_id, place)")


@migrations(name="0013_claims")
def claims(db: Tables) -> None:
    """What applications know about their users."""
    db.execute("""
        create table claims(
          org_id text not null references organizations(id), user_id text not null, key text not null,
          value text not null, created_at integer not null, updated_at integer not null,
          primary key(org_id, user_id, key)) strict, without rowid""")


@migrations(name="0014_memories")
def memories(db: Tables) -> None:
    """What assistants noted about their users."""
    db.execute("""
        create table memories(
          id text primary key, org_id text not null references organizations(id), user_id text not null,
          assistant_id text not null, text text not null, digest blob not null check(length(digest) = 32),
          response_id text not null, created_at integer not null, noted_at integer not null) strict, without rowid""")
    db.execute("create unique index memories_once on memories(org_id, user_id, assistant_id, digest)")
    db.execute("create index memories_of_user on memories(org_id, user_id, id)")


@migrations(name="0015_chats")
def chats(db: Tables) -> None:
    """Which conversation a response belongs to: the id of a conversation, or of the first response of its tree."""
    db.execute("alter table responses add column root_id text")
    db.execute("create index responses_parent on responses(previous_response_id)")
    db.execute("create temp table roots(id text primary key, root_id text)")
    db.execute("""
        insert into roots with recursive tree(id, root_id) as (
          select id, coalesce(conversation_id, id) from responses r where previous_response_id is null
            or not exists (select 1 from responses where id = r.previous_response_id)
          union all
          select r.id, tree.root_id from tree join responses r on r.previous_response_id = tree.id)
        select id, root_id from tree""")
    db.execute("update responses set root_id = (select root_id from roots where roots.id = responses.id)")
    db.execute("drop table roots")
    db.execute("drop index responses_parent")
    db.execute("create index responses_of_user on responses(org_id, user_id, root_id, id) where user_id is not null")
    db.execute("create index conversations_of_user on conversations(org_id, user_id, id) where user_id is not null")


@migrations(name="0016_steps")
def steps(db: Tables) -> None:
    """What the platform did for a response with tools; `outcome` is empty while nobody knows what came of it."""
    db.execute("""
        create table steps(
          ordinal integer primary key, response_id text not null references responses(id) on delete cascade,
          call_id text not null, run blob not null, place integer not null, repeatable integer not null,
          outcome text not null default '' check(outcome = '' or json_valid(outcome)),
          unique(response_id, call_id)) strict""")


@migrations(name="0017_vectors")
def vectors(db: Tables) -> None:
    """What passages mean to a model that embeds them, and how far each file is; an empty vector can't be had."""
    db.execute("""
        create table vectors(
          passage_id integer primary key references passages(id) on delete cascade, model text not null,
          data blob not null) strict""")
    db.execute("alter table vector_store_files add column passages integer not null default 0")
    db.execute("alter table vector_store_files add column embedded integer not null default 0")
    db.execute("alter table vector_store_files add column embedder text not null default ''")
    db.execute("alter table vector_store_files add column embed_after integer not null default 0")
    db.execute("""
        update vector_store_files set passages =
          (select count(*) from passages p where p.vector_store_file_id = vector_store_files.id)""")
    db.execute("create index vector_store_files_embedder on vector_store_files(embedder) where status = 'completed'")


@migrations(name="0018_runs_of_deltas")
def runs_of_deltas(db: Tables) -> None:
    """Nothing but its name, by which older versions refuse the file: they can't read a log with runs of deltas."""


@migrations(name="0019_rows_in_a_row")
def rows_in_a_row(db: Tables) -> None:
    """Logs and results in the order in which they are written: large rows of many runs then share their pages."""
    for trigger in ("segments_append_only", "segments_in_order"):
        db.execute(f"drop trigger {trigger}")
    for table in ("response_segments", "response_results"):
        db.execute(f"alter table {table} rename to old_{table}")
    db.execute("""
        create table response_segments(
          response_id text not null references responses(id) on delete cascade,
          first_seq integer not null, last_seq integer not null check(last_seq >= first_seq), batch blob not null,
          primary key(response_id, first_seq)) strict""")
    db.execute("""
        create table response_results(
          response_id text not null primary key references responses(id) on delete cascade,
          response blob not null) strict""")
    for table, order in (("response_segments", "response_id, first_seq"), ("response_results", "response_id")):
        db.execute(f"insert into {table} select * from old_{table} order by {order}")
        db.execute(f"drop table old_{table}")
    db.execute("""
        create trigger segments_append_only before update on response_segments
        begin select raise(abort, 'the log is append only'); end""")
    db.execute("""
        create trigger segments_in_order before insert on response_segments
        when not exists (select 1 from responses r where r.id = new.response_id and r.last_seq = new.last_seq)
        begin select raise(abort, 'segment out of order'); end""")
    db.execute("drop index responses_logged")
    db.execute("""
        create index responses_logged on responses(finished_at) where log_dropped = 0 and finished_at is not null""")


@migrations(name="0020_chapters")
def chapters(db: Tables) -> None:
    """What was said in stretches of long threads; all of a thread are gone as soon as any of its responses is."""
    db.execute("""
        create table chapters(
          response_id text not null primary key references responses(id) on delete cascade, root_id text not null,
          before text not null, ids text not null check(json_valid(ids)), users text not null check(json_valid(users)),
          call_ids text not null check(json_valid(call_ids)), items blob not null, opening blob not null,
          told blob not null) strict""")
    db.execute("create index chapters_root on chapters(root_id)")
    db.execute("""
        create trigger chapters_end before delete on responses
        begin delete from chapters where root_id = old.root_id; end""")


@migrations(name="0021_daybook")
def daybook(db: Tables) -> None:
    """Pieces of running logs in the order in which they came; what is posted to its log is deleted later."""
    db.execute("""
        create table daybook(
          number integer primary key, response_id text not null, first_seq integer not null,
          last_seq integer not null check(last_seq >= first_seq), batch blob not null) strict""")


def newer_steps(db: Tables) -> list[str]:
    """The steps that were taken with this database and that this version doesn't know."""
    known = {step.name for step in migrations.pending(Tables(memory=True, execute_plugins=False))}
    return sorted({step.name for step in migrations.applied(db)} - known)
