"""The statement of a submission, as PostgreSQL means to run it."""

from api.state import State
from applications.intake import STATEMENT
from kit.db import driver


async def test_a_plan_made_for_an_empty_table_serves_a_full_one(state: State) -> None:
    """It is kept for a connection's life: an index that is as good only while there are no rows ruins it."""
    async with driver(state.writing) as connection:
        await connection.execute(
            f"PREPARE looked_at(text, bytea[], bytea[], bytea[]) AS {STATEMENT}"
        )
        rows = await connection.fetch("EXPLAIN EXECUTE looked_at('[]', '{}', '{}', '{}')")
        await connection.execute("DEALLOCATE looked_at")
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using application_subject_newest_idx" in plan
    assert "Seq Scan" not in plan
