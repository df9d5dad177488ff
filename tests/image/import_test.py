#!/usr/bin/env python3
"""`sandstone image import`: container images, whole, damaged and hostile."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tarfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import ext4
import sandstone_test

CONFIG = {"Entrypoint": ["/bin/app"], "Cmd": ["--serve", "\x1b[31mred"], "Env": ["PATH=/bin", "EMPTY="], "WorkingDir": "/srv",
          "User": "1000:1000", "Labels": {"not": "kept"}}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(*entries):
    """A tar archive of names (folders end with a slash), (name, content) and TarInfos."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for entry in entries:
            name, data = entry if isinstance(entry, tuple) else (entry, b"")
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(name, str) and name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


class Layout:
    """An OCI image layout in the making."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.manifests = []

    def path(self, name):
        return self.folder / "blobs" / name.replace(":", "/")

    def blob(self, data, **descriptor):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.path(digest(data)).write_bytes(data)
        return {"digest": digest(data), "size": len(data), **descriptor}

    def image(self, layers, config=None, architecture="amd64", pack=lambda data: data):
        document = {"os": "linux", "architecture": architecture, "config": CONFIG if config is None else config,
                    "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]}}
        return self.blob({"schemaVersion": 2, "mediaType": MANIFEST, "config": self.blob(document),
                          "layers": [self.blob(pack(data), mediaType=LAYER) for data in layers]}, mediaType=MANIFEST)

    def write(self, *manifests):
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
        return self.folder


def named(descriptor, name):
    return {**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}}


def zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


class ImportTest(sandstone_test.TestCase):
    def setUp(self):
        super().setUp()
        self.image = self.dir / "disk.img"
        self.layout = Layout(self.dir / "layout")

    def run_import(self, source, *options):
        return self.sandstone("image", "import", source, self.image, "--platform", "linux/amd64", *options)

    def imported(self, source, *options):
        ended = self.run_import(source, *options)
        self.assert_ended(ended, 0)
        self.assertIsNone(ext4.check(self.image))
        return ext4.tree(self.image)

    def one_image(self, *layers, **how):
        return self.layout.write(self.layout.image(layers, **how))

    def refused(self, source, *words, options=()):
        self.assert_refused(self.run_import(source, *options), *words)
        self.assertEqual([p.name for p in self.dir.iterdir() if p.name == "disk.img" or p.name.startswith(".")], [])

    def packed(self, folder, name, mode="w"):
        path = self.dir / name
        with tarfile.open(path, mode) as archive:
            archive.add(folder, arcname=".")
        return path

    def docker_archive(self, layers, **changes):
        config = json.dumps({"os": "linux", "architecture": "amd64", "config": CONFIG, "rootfs": {
            "type": "layers", "diff_ids": [digest(data) for data in layers]}}).encode()
        name = hashlib.sha256(config).hexdigest() + ".json"
        manifest = [{"Config": name, "RepoTags": ["demo:1"], "Layers": [f"{i}/layer.tar" for i in range(len(layers))]}]
        files = {"manifest.json": json.dumps(manifest).encode(), name: config,
                 **{f"{i}/layer.tar": data for i, data in enumerate(layers)}, **changes}
        path = self.dir / "saved.tar"
        path.write_bytes(layer(*files.items()))
        return path


class Layers(ImportTest):
    LOWER = layer("etc/", ("etc/kept", b"1"), ("etc/gone", b"2"), "opaque/", ("opaque/old", b"3"), "opaque/sub/", ("opaque/sub/old", b"4"),
                  "whole/", ("whole/x", b"5"), link("lib", "usr/lib"), "usr/", "usr/lib/", ("usr/lib/a", b"6"), ("same", b"old"),
                  ("file-then-folder", b"7"), "folder-then-file/", ("folder-then-file/x", b"8"), ("linked", b"9"))
    UPPER = layer("etc/", "etc/.wh.gone", "opaque/", ("opaque/new", b"new"), "opaque/.wh..wh..opq", ("opaque/sub/new", b"new"),
                  ".wh.whole", ("lib/b", b"through a link"), ("same", b"new"), "file-then-folder/", ("file-then-folder/x", b"x"),
                  ("folder-then-file", b"y"), link("hard", "linked", tarfile.LNKTYPE), ".wh.never-there", "no/.wh.where",
                  ".wh..wh.aufs", ("again", b"1"), ".wh.again")

    def check_files(self, found):
        files = {path: ext4.content(self.image, path) for path, entry in found.items() if entry[0] & 0o170000 == 0o100000}
        self.assertEqual(files, {
            "etc/kept": b"1", "opaque/new": b"new", "opaque/sub/new": b"new", "usr/lib/a": b"6", "usr/lib/b": b"through a link",
            "same": b"new", "file-then-folder/x": b"x", "folder-then-file": b"y", "linked": b"9", "hard": b"9", "again": b"1"})
        self.assertNotIn("whole", found)
        self.assertNotIn("no", found)
        self.assertEqual(found["hard"][3], found["linked"][3])

    def test_whiteouts_and_replacements(self):
        for name, pack in [("plain", lambda data: data), ("gzip", gzip.compress), ("zstd", zstd)]:
            with self.subTest(packing=name):
                self.check_files(self.imported(self.one_image(self.LOWER, self.UPPER, pack=pack)))

    def test_archives_of_a_layout(self):
        folder = self.one_image(self.LOWER, self.UPPER, pack=gzip.compress)
        for name, mode in [("image.tar", "w"), ("image.tar.gz", "w:gz")]:
            with self.subTest(name=name):
                self.check_files(self.imported(self.packed(folder, name, mode)))

    def test_docker_archives(self):
        self.check_files(self.imported(self.docker_archive([self.LOWER, self.UPPER])))
        for name in ("demo:1", "docker.io/library/demo:1"):
            self.imported(self.docker_archive([self.LOWER]), "--image", name)
        self.image.unlink()
        self.refused(self.docker_archive([self.LOWER, b"x"], **{"1/layer.tar": self.UPPER}), "1/layer.tar", "has the digest")

    def test_a_layer_saved_twice_is_a_link(self):
        again = self.docker_archive([self.LOWER, self.LOWER])
        data = {name.name: name for name in tarfile.open(again).getmembers()}
        entries = [(m, tarfile.open(again).extractfile(m).read()) for n, m in data.items() if n != "1/layer.tar"]
        again.write_bytes(layer(link("1/layer.tar", "../0/layer.tar"), *entries))
        self.assertIn("etc/gone", self.imported(again))

    def test_owners_stay_whoever_imports(self):
        info = tarfile.TarInfo("owned")
        info.uid, info.gid, info.mode = 1000, 70_000, 0o640
        self.assertEqual(self.imported(self.one_image(layer(info)))["owned"][:3], (0o100640, 1000, 70_000))


class Config(ImportTest):
    def test_it_is_printed_and_kept(self):
        folder = self.one_image(layer(("a", b"")))
        ended = self.run_import(folder, "--size", "32m")
        self.assert_ended(ended, 0)
        self.assertIn('Entrypoint  ["/bin/app"]\n', ended.out)
        self.assertIn(r'Cmd         ["--serve","\u001b[31mred"]', ended.out)
        self.assertEqual(self.image.stat().st_size, (32 << 20) + 65536)
        kept = self.sandstone("image", "config", self.image)
        self.assert_ended(kept, 0)
        self.assertEqual(json.loads(kept.out), {key: value for key, value in CONFIG.items() if key != "Labels"})
        self.assertIsNone(ext4.check(self.image))

    def test_none_at_all(self):
        self.imported(self.one_image(layer(("a", b"")), config={"Cmd": None}))
        kept = self.sandstone("image", "config", self.image)
        self.assertEqual(json.loads(kept.out), {"Entrypoint": [], "Cmd": [], "Env": [], "WorkingDir": "", "User": ""})

    def test_a_hostile_one_is_refused(self):
        for config, says in [({"Cmd": "sh"}, "Cmd is not a list"), ({"Env": [1]}, "Env holds"), ({"User": ["0"]}, "User is not a word"),
                             ({"Cmd": ["a\0b"]}, "Cmd holds"), ({"Env": ["x" * 70_000]}, "65516"), (["x"], "not an object")]:
            with self.subTest(says=says):
                self.refused(self.one_image(layer(("a", b"")), config=config), says)

    def test_a_damaged_image_file(self):
        self.image.write_bytes(bytes(65536) + b"sandstone-config" + b"\xff" * 4 + bytes(65516))
        self.assert_refused(self.sandstone("image", "config", self.image), "damaged")
        for data in (b"", b"x" * 100, bytes(1 << 20)):
            self.image.write_bytes(data)
            self.assert_refused(self.sandstone("image", "config", self.image), "has no config")


class Choosing(ImportTest):
    def test_by_name(self):
        one, two = (self.layout.image([layer((name, b""))]) for name in ("one", "two"))
        folder = self.layout.write(named(one, "docker.io/library/alpine:latest"), named(two, "ghcr.io/x/y:v2"))
        self.assertIn("one", self.imported(folder, "--image", "alpine"))
        self.assertIn("two", self.imported(folder, "--image", "ghcr.io/x/y:v2"))
        self.image.unlink()
        self.refused(folder, "--image: there are several images", "ghcr.io/x/y:v2")
        self.refused(folder, "--image: there is no image 'busybox'", "alpine", options=["--image", "busybox"])

    def test_by_platform(self):
        arm, amd = (self.layout.image([layer((name, b""))], architecture=name) for name in ("arm64", "amd64"))
        index = self.layout.blob({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {**arm, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            {**amd, "platform": {"os": "linux", "architecture": "amd64"}},
            {**self.layout.blob({}), "platform": {"os": "unknown", "architecture": "unknown"}}]}, mediaType=INDEX)
        folder = self.layout.write(named(index, "latest"))
        self.assertIn("amd64", self.imported(folder))
        self.assert_ended(self.sandstone("image", "import", folder, self.image, "--platform=linux/arm64/v8"), 0)
        self.assertIn("arm64", ext4.tree(self.image))
        self.image.unlink()
        self.assert_refused(self.sandstone("image", "import", folder, self.image, "--platform", "linux/riscv64"),
                            "--platform: there is no image for linux/riscv64", "linux/arm64")
        self.refused(self.layout.write(arm), "--platform: the image is for linux/arm64")
        self.assert_refused(self.sandstone("image", "import", folder, self.image, "--platform", "amd64"), "is not OS/ARCHITECTURE")


class Hostile(ImportTest):
    def test_a_wrong_digest_names_the_blob(self):
        for packed in (False, True):
            for which in ("layer", "config", "manifest"):
                with self.subTest(which=which, packed=packed):
                    manifest = self.layout.image([layer((which + str(packed), b""))])
                    document = json.loads(self.layout.path(manifest["digest"]).read_text())
                    wrong = {"layer": document["layers"][0], "config": document["config"], "manifest": manifest}[which]
                    path = self.layout.path(wrong["digest"])
                    data = bytearray(path.read_bytes())
                    data[len(data) // 2] ^= 1
                    path.write_bytes(data)
                    folder = self.layout.write(manifest)
                    self.refused(self.packed(folder, "image.tar") if packed else folder,
                                 "blobs/sha256/" + wrong["digest"][7:], "has the digest sha256:")
                    path.write_bytes(data[:-1])
                    self.refused(folder, "blobs/sha256/" + wrong["digest"][7:], "bytes, not")
                    path.unlink()
                    self.refused(folder, "blobs/sha256/" + wrong["digest"][7:], "No such file")

    def test_a_wrong_diff_id(self):
        manifest = self.layout.image([layer(("a", b""))])
        document = json.loads(self.layout.path(manifest["digest"]).read_text())
        config = json.loads(self.layout.path(document["config"]["digest"]).read_text())
        for diff_ids, says in [(["sha256:" + "0" * 64], "the unpacked layer has the digest"), ([], "0 layers"), (["md5:0"], "not a sha256"),
                               ([""], "empty")]:
            config["rootfs"]["diff_ids"] = diff_ids
            document["config"] = self.layout.blob(config)
            self.refused(self.layout.write(self.layout.blob(document)), says)

    def test_digests_that_are_paths(self):
        secret = self.dir / "secret"
        secret.write_text("{}")
        for wrong in ("../../../secret", "sha256:../../../secret", "sha256:" + "../" * 21 + "x", "md5:" + "0" * 32, ""):
            with self.subTest(digest=wrong):
                self.refused(self.layout.write({"digest": wrong, "size": 2}), "is not a sha256 digest")

    def test_a_blob_that_leads_out(self):
        manifest = self.layout.image([layer(("a", b""))])
        path = self.layout.path(manifest["digest"])
        outside = self.dir / "outside"
        path.rename(outside)
        path.symlink_to(outside)
        self.refused(self.layout.write(manifest), manifest["digest"][7:], "cannot open")

    def test_hostile_whiteouts(self):
        for name in (".wh.", ".wh..", ".wh...", "a/.wh...", ):
            self.refused(self.one_image(layer(("a/b", b"")), layer(name)), "whiteout of nothing")
        found = self.imported(self.one_image(layer(("a", b"")), layer("../../.wh.a", "a/../../.wh.b")))
        self.assertNotIn("a", found)

    def test_bombs(self):
        bomb = layer(("zeros", bytes(100 << 20)))
        self.refused(self.one_image(bomb, pack=gzip.compress), "unpacks to more than 64 MiB", options=["--size", "8m"])
        nested = gzip.compress(gzip.compress(layer(("a", b""))))
        self.refused(self.one_image(nested), "is no tar archive")
        index = self.layout.image([layer(("a", b""))])
        for _ in range(6):
            index = self.layout.blob({"manifests": [index]})
        self.refused(self.layout.write(index), "more than 4 indexes")
        (self.layout.folder / "index.json").write_text("[" * 1_000_000)
        self.refused(self.layout.folder, "index.json: is not JSON")
        (self.layout.folder / "index.json").write_text(" " * (5 << 20))
        self.refused(self.layout.folder, "index.json: is too large")

    def test_what_is_no_image(self):
        (self.layout.folder / "index.json").unlink(missing_ok=True)
        self.refused(self.layout.folder, "neither an OCI image layout nor")
        plain = self.dir / "plain.tar"
        plain.write_bytes(layer(("a", b"")))
        self.refused(plain, "neither an OCI image layout nor", "image build")
        for document in ("{}", "[]", '{"manifests": 7}', '{"manifests": [7]}', '{"manifests": [{"digest": 7}]}', "null", ""):
            (self.layout.folder / "index.json").write_text(document)
            self.refused(self.layout.folder, "layout: ")

    def test_noise_never_crashes(self):
        generator = random.Random(int(os.environ.get("SANDSTONE_SEED", "1")))
        whole = self.packed(self.one_image(Layers.LOWER, Layers.UPPER, pack=gzip.compress), "image.tar").read_bytes()
        noisy = self.dir / "noisy.tar"
        for _ in range(300 if sandstone_test.SOAK else 30):
            data = bytearray(whole)
            for _ in range(generator.choice([1, 10, 1000])):
                data[generator.randrange(len(data))] = generator.randrange(256)
            noisy.write_bytes(data)
            ended = self.run_import(noisy)
            self.assertIn(ended.status, (0, 125), ended)
            self.assertNotIn("signal", ended.err, ended)


if __name__ == "__main__":
    sandstone_test.main()
