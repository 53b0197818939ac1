"""What is live comes back as manifests that plan to nothing: over the real command line."""

import re
import shutil


def test_manifests_that_are_lost_come_back_and_plan_to_nothing(shop):
    shop.ok("apply", "-e", "local", "--yes")
    shutil.rmtree(shop.root / "base")
    done = shop.json("import", "-e", "local", "--out", "base")
    assert done["version"] == 1
    assert (done["after"], done["remaining"], done["missed"]) == ("nothing", [], [])
    assert [re.sub(r"-[0-9a-f]{16}", "-HASH", file["path"]) for file in done["files"]] == [
        "adder/blue.yml",
        "adder/endpoint.yml",
        "environments/serving-HASH.conda.yml",
        "environments/serving-HASH.yml",
        "models/numbers-HASH.yml",
    ]
    plan = shop.json("plan", "-e", "local")
    assert plan["actions"] == plan["refusals"] == []
    text = (shop.root / "base/adder/blue.yml").read_text()
    assert text.startswith("$schema: ")
    assert "aml-gitops-" not in text
    assert "AML_APP_ROOT" not in text
    assert "code: azureml:shop:" in text

    again = shop.run("import", "-e", "local", "--out", "base")
    assert "Nothing to import." in again.stdout
    assert "2 in the manifests already." in again.stdout


def test_no_file_is_overwritten_and_each_that_exists_is_named(shop):
    shutil.rmtree(shop.root / "base")
    shop.write("base/adder/blue.yml", "# a person's own\n")
    shop.write("base/adder/endpoint.yml", "# and another\n")
    refused = shop.run("import", "-e", "local", "--out", "base")
    assert refused.returncode == 64
    assert "adder/blue.yml" in refused.stderr
    assert "adder/endpoint.yml" in refused.stderr
    assert not (shop.root / "base/models").exists()
    assert (shop.root / "base/adder/blue.yml").read_text() == "# a person's own\n"
    shutil.rmtree(shop.root / "base/adder")


def test_a_write_that_fails_half_way_leaves_nothing(shop):
    shop.write("base/models", "a file where a folder has to be\n")
    failed = shop.run("import", "-e", "local", "--out", "base")
    assert failed.returncode == 64
    assert "nothing was written" in failed.stderr
    assert sorted(path.name for path in (shop.root / "base").iterdir()) == ["models"]
    (shop.root / "base/models").unlink()


def test_adopt_changes_nothing_for_what_is_ours(shop):
    done = shop.json("import", "-e", "local", "--out", "base", "--adopt")
    assert done["after"] == "nothing"
    assert "Nothing to do" in shop.ok("plan", "-e", "local")
    shutil.rmtree(shop.root / "base/adder")
    shutil.rmtree(shop.root / "base/models")
    shutil.rmtree(shop.root / "base/environments")


def test_another_project_leaves_it_alone(shop, tmp_path):
    """The same workspace, seen by a project whose folder of manifests does not exist yet."""
    other = type(shop)(tmp_path / "other")
    other.root.mkdir()
    target = shop.root / ".emulator"
    other.write(
        "gitops.yaml",
        "project: other\nmanifests: [base]\nenvironments:\n"
        f"  local: {{target: {{emulator: {target}}}, network: managed_vnet}}\n",
    )
    skipped = other.run("import", "-e", "local", "--out", "base")
    assert skipped.returncode == 0
    assert "belongs to shop/local" in skipped.stdout
    assert not (other.root / "base").exists()


def test_outside_of_the_manifests_folder_nothing_is_planned(shop):
    done = shop.json("import", "-e", "local", "--out", "elsewhere", "--select", "endpoint/adder")
    assert done["after"] == "outside"
    assert (shop.root / "elsewhere/adder/endpoint.yml").is_file()
    shutil.rmtree(shop.root / "elsewhere")


def test_a_selection_that_means_nothing_is_told(shop):
    done = shop.run("import", "-e", "local", "--out", "elsewhere", "--select", "endpoint/addder")
    assert done.returncode == 64
    assert "endpoint/addder" in done.stderr
    assert not (shop.root / "elsewhere").exists()
