"""The first tables: divisions, agencies, rights, registry, catalogue, files, applications, events.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


class Xid8(UserDefinedType):
    cache_ok = True

    def get_col_spec(self, **_):
        return "xid8"


KINDS = ("agencies", "calendar", "divisions", "grants", "matters", "outlets")

PARTITIONS = """
CREATE FUNCTION make_event_partitions(months int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    first date;
    made int := 0;
BEGIN
    IF months NOT BETWEEN 0 AND 60 THEN
        RAISE EXCEPTION 'months must be 0 to 60';
    END IF;
    FOR n IN -1..months LOOP
        first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n))::date;
        IF to_regclass(format('public.event_%s', to_char(first, 'YYYY_MM'))) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE IF NOT EXISTS public.event_%s PARTITION OF public.event FOR VALUES FROM (%L) TO (%L)',
                to_char(first, 'YYYY_MM'),
                to_char(first, 'YYYY-MM-DD') || ' 00:00:00+00',
                to_char(first + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00'
            );
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "access_record",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("purpose_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("access_record_pkey")),
        info={"grants": "SELECT, INSERT"},
    )
    op.create_index(
        op.f("access_record_application_idx"), "access_record", ["application"], unique=False
    )
    op.create_table(
        "agency",
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(6), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("division", sa.String(6), nullable=False),
        sa.Column("phone", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("agency_pkey")),
    )
    op.create_index(op.f("agency_generation_idx"), "agency", ["generation"], unique=False)
    op.create_table(
        "application",
        sa.Column("number", sa.String(40), nullable=False),
        sa.Column("submitter", sa.String(40), nullable=False),
        sa.Column("idempotency_key", sa.String(64), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=False),
        sa.Column("matter", sa.String(12), nullable=False),
        sa.Column("guide_version", sa.Integer(), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("teller", sa.String(20), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("risk_class", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("legal_due_on", sa.Date(), nullable=True),
        sa.Column("promised_due_on", sa.Date(), nullable=True),
        sa.Column("due_provisional", sa.Boolean(), nullable=False),
        sa.Column("calendar_generation", sa.BigInteger(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("yellow_on", sa.Date(), nullable=False),
        sa.Column("red_on", sa.Date(), nullable=False),
        sa.Column("overdue_on", sa.Date(), nullable=True),
        sa.Column("accepted_by", sa.String(80), nullable=True),
        sa.Column("reviewed_by", sa.String(80), nullable=True),
        sa.Column("second_reviewed_by", sa.String(80), nullable=True),
        sa.Column("decided_by", sa.String(80), nullable=True),
        sa.Column("outcome", sa.String(12), nullable=True),
        sa.Column("claimed_by", sa.String(80), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("documents", postgresql.ARRAY(sa.String(length=8)), nullable=False),
        sa.Column("materials", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("subject_index", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("result_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("application_pkey")),
        sa.UniqueConstraint(
            "submitter", "idempotency_key", name=op.f("application_submitter_idempotency_key_key")
        ),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_index(
        "application_agency_newest_idx",
        "application",
        ["agency", sa.literal_column("received_at DESC"), sa.literal_column("number DESC")],
        unique=False,
    )
    op.create_index(
        "application_newest_idx",
        "application",
        [sa.literal_column("received_at DESC"), sa.literal_column("number DESC")],
        unique=False,
    )
    op.create_index(
        "application_outlet_newest_idx",
        "application",
        ["outlet", sa.literal_column("received_at DESC"), sa.literal_column("number DESC")],
        unique=False,
    )
    op.create_index(
        "application_subject_idx",
        "application",
        ["subject_index", "matter", sa.literal_column("received_at DESC")],
        unique=False,
    )
    op.create_index(
        "application_work_idx",
        "application",
        ["agency", "due_on", "number"],
        unique=False,
        postgresql_where=sa.text(
            "state IN ('accepted', 'in_review', 'in_second_review', 'in_approval')"
        ),
    )
    op.create_table(
        "bank",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(12), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("bank_class", sa.String(3), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("bank_pkey")),
    )
    op.create_index(op.f("bank_generation_idx"), "bank", ["generation"], unique=False)
    op.create_table(
        "calendar_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("is_working", sa.Boolean(), nullable=False),
        sa.Column("holiday", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("calendar_day_pkey")),
    )
    op.create_table(
        "division",
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("scheme", sa.String(3), nullable=False),
        sa.Column("code", sa.String(9), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("parent", sa.String(9), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lng", sa.Double(), nullable=True),
        sa.CheckConstraint("scheme IN ('mca', 'nbs')", name=op.f("division_scheme_check")),
        sa.CheckConstraint("level BETWEEN 1 AND 4", name=op.f("division_level_check")),
        sa.CheckConstraint(
            "valid_to IS NULL OR valid_to > valid_from", name=op.f("division_period_check")
        ),
        sa.PrimaryKeyConstraint("scheme", "code", "valid_from", name=op.f("division_pkey")),
    )
    op.create_index(op.f("division_generation_idx"), "division", ["generation"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True, cache=1), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("actor_role", sa.String(32), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", "at", name=op.f("event_pkey")),
        info={"grants": "SELECT, INSERT"},
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("event_application_id_idx", "event", ["application", "id"], unique=False)
    op.create_index("event_xid_idx", "event", ["xid"], unique=False)
    op.create_table(
        "event_sequence",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("event_sequence_pkey")),
        sa.UniqueConstraint("event", name=op.f("event_sequence_event_key")),
        info={"grants": "SELECT, INSERT"},
    )
    op.create_index(
        "event_sequence_agency_seq_idx", "event_sequence", ["agency", "seq"], unique=False
    )
    op.create_index(
        "event_sequence_outlet_seq_idx", "event_sequence", ["outlet", "seq"], unique=False
    )
    op.create_table(
        "event_sequencer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("window_from", Xid8(), nullable=False),
        sa.Column("window_to", Xid8(), nullable=False),
        sa.Column("done_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("event_sequencer_single_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("event_sequencer_pkey")),
    )
    op.create_table(
        "event_text",
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("event", name=op.f("event_text_pkey")),
    )
    op.create_table(
        "generation",
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("generation_pkey")),
    )
    op.create_table(
        "matter",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("base_code", sa.String(12), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("pinyin", sa.String(400), nullable=False),
        sa.Column("initials", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("base_code", name=op.f("matter_pkey")),
    )
    op.create_index(op.f("matter_generation_idx"), "matter", ["generation"], unique=False)
    op.create_table(
        "rights_grant",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("scope", sa.String(12), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted_by", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("rights_grant_pkey")),
    )
    op.create_index(
        op.f("rights_grant_generation_idx"), "rights_grant", ["generation"], unique=False
    )
    op.create_index(
        "rights_grant_open_key",
        "rights_grant",
        ["subject", "role", "scope"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(op.f("rights_grant_subject_idx"), "rights_grant", ["subject"], unique=False)
    op.create_table(
        "stored_file",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("path", sa.String(80), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("stored_file_pkey")),
    )
    op.create_index(op.f("stored_file_outlet_idx"), "stored_file", ["outlet"], unique=False)
    op.create_table(
        "used_assertion",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("used_assertion_pkey")),
        info={"grants": "SELECT, INSERT, DELETE"},
    )
    op.create_index(
        op.f("used_assertion_expires_at_idx"), "used_assertion", ["expires_at"], unique=False
    )
    op.create_table(
        "agency_coverage",
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("county", sa.String(6), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.ForeignKeyConstraint(
            ["agency"], ["agency.code"], name=op.f("agency_coverage_agency_fkey")
        ),
        sa.PrimaryKeyConstraint("level", "county", name=op.f("agency_coverage_pkey")),
    )
    op.create_index(op.f("agency_coverage_agency_idx"), "agency_coverage", ["agency"], unique=False)
    op.create_index(
        op.f("agency_coverage_generation_idx"), "agency_coverage", ["generation"], unique=False
    )
    op.create_table(
        "agreement",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.String(40), nullable=False),
        sa.Column("bank", sa.String(12), nullable=False),
        sa.Column("division", sa.String(6), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("matters", postgresql.ARRAY(sa.String(length=12)), nullable=True),
        sa.Column("max_delegation", sa.String(2), nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("agreement_period_check")),
        sa.ForeignKeyConstraint(["bank"], ["bank.code"], name=op.f("agreement_bank_fkey")),
        sa.PrimaryKeyConstraint("number", name=op.f("agreement_pkey")),
    )
    op.create_index(op.f("agreement_bank_idx"), "agreement", ["bank"], unique=False)
    op.create_index(op.f("agreement_generation_idx"), "agreement", ["generation"], unique=False)
    op.create_table(
        "guide_version",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("base_code", sa.String(12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("drafted_by", sa.String(80), nullable=False),
        sa.Column("published_by", sa.String(80), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("base_code"), "="),
            (sa.literal_column("daterange(effective_from, effective_to)"), "&&"),
            where=sa.text("state = 'published'"),
            using="gist",
            name="guide_version_period_excl",
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'published', 'withdrawn')", name=op.f("guide_version_state_check")
        ),
        sa.ForeignKeyConstraint(
            ["base_code"], ["matter.base_code"], name=op.f("guide_version_base_code_fkey")
        ),
        sa.PrimaryKeyConstraint("base_code", "version", name=op.f("guide_version_pkey")),
    )
    op.create_index(
        op.f("guide_version_generation_idx"), "guide_version", ["generation"], unique=False
    )
    op.create_table(
        "outlet",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.String(12), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("bank", sa.String(12), nullable=False),
        sa.Column("agreement", sa.String(40), nullable=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("service_class", sa.String(8), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("division", sa.String(9), nullable=False),
        sa.Column("address", sa.String(200), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lng", sa.Double(), nullable=True),
        sa.Column("phone", sa.String(20), nullable=False),
        sa.Column("hours", sa.String(200), nullable=False),
        sa.Column("windows", sa.SmallInteger(), nullable=False),
        sa.Column("cnaps", sa.String(12), nullable=True),
        sa.Column("parent", sa.String(12), nullable=True),
        sa.Column("is_sample", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('bank_branch', 'convenience_point', 'self_service', 'agency_hall', 'grassroots')",
            name=op.f("outlet_kind_check"),
        ),
        sa.CheckConstraint(
            "service_class IN ('basic', 'premium')", name=op.f("outlet_class_check")
        ),
        sa.CheckConstraint(
            "status IN ('applied', 'site_acceptance', 'active', 'rectifying', 'suspended', 'exited')",
            name=op.f("outlet_status_check"),
        ),
        sa.ForeignKeyConstraint(
            ["agreement"], ["agreement.number"], name=op.f("outlet_agreement_fkey")
        ),
        sa.ForeignKeyConstraint(["bank"], ["bank.code"], name=op.f("outlet_bank_fkey")),
        sa.ForeignKeyConstraint(["parent"], ["outlet.number"], name=op.f("outlet_parent_fkey")),
        sa.PrimaryKeyConstraint("number", name=op.f("outlet_pkey")),
    )
    op.create_index(op.f("outlet_agreement_idx"), "outlet", ["agreement"], unique=False)
    op.create_index(op.f("outlet_bank_idx"), "outlet", ["bank"], unique=False)
    op.create_index(op.f("outlet_division_idx"), "outlet", ["division"], unique=False)
    op.create_index(op.f("outlet_generation_idx"), "outlet", ["generation"], unique=False)
    op.create_table(
        "teller",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(20), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("qualified_until", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'left')", name=op.f("teller_status_check")),
        sa.ForeignKeyConstraint(["outlet"], ["outlet.number"], name=op.f("teller_outlet_fkey")),
        sa.PrimaryKeyConstraint("code", name=op.f("teller_pkey")),
    )
    op.create_index(op.f("teller_generation_idx"), "teller", ["generation"], unique=False)
    op.create_index(op.f("teller_outlet_idx"), "teller", ["outlet"], unique=False)
    op.create_table(
        "terminal",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("public_jwk", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended')", name=op.f("terminal_status_check")),
        sa.ForeignKeyConstraint(["outlet"], ["outlet.number"], name=op.f("terminal_outlet_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("terminal_pkey")),
    )
    op.create_index(op.f("terminal_generation_idx"), "terminal", ["generation"], unique=False)
    op.create_index(op.f("terminal_outlet_idx"), "terminal", ["outlet"], unique=False)
    op.execute("CREATE SEQUENCE application_serial")
    op.execute(PARTITIONS)
    op.execute("REVOKE ALL ON FUNCTION make_event_partitions(int) FROM PUBLIC")
    op.execute("SELECT make_event_partitions(12)")
    op.execute(f"INSERT INTO generation (kind, value) SELECT unnest(ARRAY{list(KINDS)}), 0")
    op.execute(
        "INSERT INTO event_sequencer (id, epoch, seq, window_from, window_to, done_id)"
        " VALUES (1, 1, 0, '0', '0', 0)"
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION make_event_partitions(int)")
    op.execute("DROP SEQUENCE application_serial")
    op.drop_index(op.f("terminal_outlet_idx"), table_name="terminal")
    op.drop_index(op.f("terminal_generation_idx"), table_name="terminal")
    op.drop_table("terminal")
    op.drop_index(op.f("teller_outlet_idx"), table_name="teller")
    op.drop_index(op.f("teller_generation_idx"), table_name="teller")
    op.drop_table("teller")
    op.drop_index(op.f("outlet_generation_idx"), table_name="outlet")
    op.drop_index(op.f("outlet_division_idx"), table_name="outlet")
    op.drop_index(op.f("outlet_bank_idx"), table_name="outlet")
    op.drop_index(op.f("outlet_agreement_idx"), table_name="outlet")
    op.drop_table("outlet")
    op.drop_index(op.f("guide_version_generation_idx"), table_name="guide_version")
    op.drop_table("guide_version")
    op.drop_index(op.f("agreement_generation_idx"), table_name="agreement")
    op.drop_index(op.f("agreement_bank_idx"), table_name="agreement")
    op.drop_table("agreement")
    op.drop_index(op.f("agency_coverage_generation_idx"), table_name="agency_coverage")
    op.drop_index(op.f("agency_coverage_agency_idx"), table_name="agency_coverage")
    op.drop_table("agency_coverage")
    op.drop_index(op.f("used_assertion_expires_at_idx"), table_name="used_assertion")
    op.drop_table("used_assertion")
    op.drop_index(op.f("stored_file_outlet_idx"), table_name="stored_file")
    op.drop_table("stored_file")
    op.drop_index(op.f("rights_grant_subject_idx"), table_name="rights_grant")
    op.drop_index(
        "rights_grant_open_key",
        table_name="rights_grant",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index(op.f("rights_grant_generation_idx"), table_name="rights_grant")
    op.drop_table("rights_grant")
    op.drop_index(op.f("matter_generation_idx"), table_name="matter")
    op.drop_table("matter")
    op.drop_table("generation")
    op.drop_table("event_text")
    op.drop_table("event_sequencer")
    op.drop_index("event_sequence_outlet_seq_idx", table_name="event_sequence")
    op.drop_index("event_sequence_agency_seq_idx", table_name="event_sequence")
    op.drop_table("event_sequence")
    op.drop_index("event_xid_idx", table_name="event")
    op.drop_index("event_application_id_idx", table_name="event")
    op.drop_table("event")
    op.drop_index(op.f("division_generation_idx"), table_name="division")
    op.drop_table("division")
    op.drop_table("calendar_day")
    op.drop_index(op.f("bank_generation_idx"), table_name="bank")
    op.drop_table("bank")
    op.drop_index(
        "application_work_idx",
        table_name="application",
        postgresql_where=sa.text(
            "state IN ('accepted', 'in_review', 'in_second_review', 'in_approval')"
        ),
    )
    op.drop_index("application_subject_idx", table_name="application")
    op.drop_index("application_outlet_newest_idx", table_name="application")
    op.drop_index("application_newest_idx", table_name="application")
    op.drop_index("application_agency_newest_idx", table_name="application")
    op.drop_table("application")
    op.drop_index(op.f("agency_generation_idx"), table_name="agency")
    op.drop_table("agency")
    op.drop_index(op.f("access_record_application_idx"), table_name="access_record")
    op.drop_table("access_record")
