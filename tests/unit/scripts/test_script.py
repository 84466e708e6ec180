"""Script modules as processes."""

import os
import subprocess
import sys

import pytest

SCRIPT = '''
from vlcp.config import defaultconfig
from vlcp.scripts.script import ScriptModule
from vlcp.server.module import call_api, depend
from vlcp.service.utils.knowledge import Knowledge

@defaultconfig
@depend(Knowledge)
class Tidy(ScriptModule):
    """tidy.py [-f FILE] [--clean] [-l N] NAME...

    Tidies up."""
    options = (("clean", None, False), ("level", "l"), ("long-name", "n", True))

    async def run(self, *names, clean=None, level="0", **others):
        await call_api(self.apiroutine, "knowledge", "set", {"key": "x", "value": 5})
        found = await call_api(self.apiroutine, "knowledge", "get", {"key": "x"})
        print("ran", names, repr(clean), level, others, found, self.setting)
        if "fail" in names:
            raise ValueError("a name that fails")

    _default_setting = "default"

if __name__ == "__main__":
    Tidy.main()
'''


@pytest.fixture
def script(tmp_path):
    (tmp_path / "tidy.py").write_text(SCRIPT)

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "tidy.py", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_script_runs_with_its_dependencies_and_ends(script):
    status, output, _ = script("one", "two")
    assert (status, output) == (0, "ran ('one', 'two') None 0 {} 5 default\n")


def test_options_and_the_configuration_file_reach_the_script(script, tmp_path):
    (tmp_path / "tidy.conf").write_text("module.tidy.setting = 'configured'\n")
    status, output, _ = script("-f", "tidy.conf", "a", "--clean", "-l", "3", "--long-name=x", "b")
    assert (status, output) == (0, "ran ('a', 'b') '' 3 {'long-name': 'x'} 5 configured\n")


@pytest.mark.parametrize("option", ["-h", "-?", "--help"])
def test_help_is_the_documentation_of_the_class(script, option):
    status, output, _ = script(option)
    assert status == 0 and output == "tidy.py [-f FILE] [--clean] [-l N] NAME...\n\nTidies up.\n"


def test_an_unknown_option_is_told_with_the_documentation(script):
    status, _, errors = script("--wrong")
    assert status == 2 and "option --wrong not recognized" in errors and "Tidies up." in errors


def test_a_wrong_configuration_file_is_told_in_one_line(script, tmp_path):
    (tmp_path / "bad.conf").write_text("x = oops\n")
    assert script("-f", "bad.conf")[2].count("\n") == 1
    status, _, errors = script("-f", "missing.conf")
    assert status == 1 and "missing.conf" in errors and errors.count("\n") == 1


def test_an_exception_is_logged_and_ends_the_script(script):
    status, _, errors = script("fail")
    assert status == 0 and "script tidy failed" in errors and "ValueError: a name that fails" in errors
