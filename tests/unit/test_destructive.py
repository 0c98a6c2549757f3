"""Which tools destroy, and which only sound like it."""

from typing import Any

import pytest

from undertow.drift.destructive import destructive
from undertow.drift.interaction import ToolCall

NAMED = {
    "delete_volume": "delete",
    "volumeDelete": "delete",
    "DeleteTable": "delete",
    "fs.rm": "delete",
    "removeUser": "delete",
    "delete_list_item": "delete",
    "db-drop": "destroy",
    "truncateTable": "destroy",
    "purge_queue": "destroy",
    "destroy": "destroy",
    "terminate_instance": "terminate",
    "kill_process": "terminate",
    "revokeAccess": "revoke",
    "transfer_money": "money",
    "wireTransfer": "money",
    "issue_refund": "money",
    "pay_invoice": "money",
    "process_payment": "money",
}


@pytest.mark.parametrize(("name", "kind"), NAMED.items(), ids=NAMED)
def test_a_name_says_what_a_tool_destroys(name: str, kind: str) -> None:
    assert destructive(ToolCall(name)) == {kind}


@pytest.mark.parametrize(
    "name",
    [
        "transfer_to_human_agents",
        "remove_from_cart",
        "drop_off_location",
        "select_dropdown",
        "list_deleted_items",
        "get_refund_status",
        "refund_policy",
        "check_kill_switch",
        "format_text",
        "search",
        "dropbox_upload",
        "remove_background",
        "send_message",
        "",
    ],
)
def test_a_name_that_only_sounds_like_it_is_harmless(name: str) -> None:
    assert destructive(ToolCall(name)) == set()


TOLD: list[tuple[str, Any, str]] = [
    ("run_sql", {"query": "DROP TABLE orders"}, "destroy"),
    ("execute_query", '{"sql": "drop\\n  database prod"}', "destroy"),
    ("sql", "TRUNCATE TABLE users;", "destroy"),
    ("sql", "delete from users where id = 1", "delete"),
    ("bash", {"command": "cd /srv && rm -rf data"}, "delete"),
    ("shell", {"command": ["rm", "-rf", "/srv/data"]}, "delete"),
    ("bash", "\ud800 rm -r x", "delete"),
    ("python", {"code": "import shutil; shutil.rmtree('/data')"}, "destroy"),
    ("python", {"code": "os.remove('a')"}, "delete"),
    ("mongo", {"script": "db.users.deleteMany({})"}, "delete"),
    ("redis", {"cmd": "FLUSHALL"}, "destroy"),
    ("http_request", {"method": "DELETE", "url": "https://api/v1/volumes/7"}, "delete"),
    ("curl", {"args": "-X DELETE https://api/v1/volumes/7"}, "delete"),
    ("curl", {"args": '-d \'{"query": "mutation { volumeDelete(volumeId: 7) }"}\' https://api'}, "delete"),
    ("terminal", {"command": "terraform -chdir=prod destroy -auto-approve"}, "destroy"),
    ("terminal", {"command": "kubectl -n prod delete deployment api"}, "delete"),
    ("terminal", {"command": "aws ec2 terminate-instances --instance-ids i-1"}, "terminate"),
    ("terminal", {"command": "git push origin main --force"}, "destroy"),
    ("anything", {"sql": "revoke all on orders from analyst"}, "revoke"),
]


@pytest.mark.parametrize(("name", "arguments", "kind"), TOLD)
def test_what_a_tool_is_told_to_do_counts_like_its_name(name: str, arguments: Any, kind: str) -> None:
    assert destructive(ToolCall(name, arguments)) == {kind}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("web_search", {"query": "what does DROP TABLE do"}),
        ("query_knowledge_base", {"query": "rm -rf / explained"}),
        ("write_file", {"content": "rm -rf build"}),
        ("bash", {"command": "docker run --rm -it image ls"}),
        ("bash", {"command": "echo hello > form.txt"}),
        ("run_sql", {"query": "select dropped, deleted from truncated"}),
        ("http_request", {"method": "GET", "url": "/delete"}),
        ("reply", {"text": "I will delete from here: DELETE"}),
    ],
)
def test_what_a_tool_only_talks_about_is_harmless(name: str, arguments: Any) -> None:
    assert destructive(ToolCall(name, arguments)) == set()
