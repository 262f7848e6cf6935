"""A foreign reader opens what adit sends: tshark, with the keys that `show crypto keys wireshark` prints."""
import re

import pytest

from conftest import Capture, sh, until


def keys(l, node, ike):
    """-> options for tshark. ike: the keys of ISAKMP SAs that were there at some time, which grow here: one may go while the pair
    it made lives."""
    esp = []

    def one_pair():  # both ends of a VTI may have begun at once: one of the two pairs goes
        lines = l.exec(node, "show crypto keys wireshark").splitlines()
        esp[:] = [line for line in lines if line.startswith('"IPv')]
        ike.extend(line for line in lines if re.fullmatch(r"[0-9a-f]{16},[0-9a-f]+", line) and line not in ike)
        return len(esp) == 2 and ike
    until(one_pair, 30)
    args = ["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"]
    for line in esp:
        args += ["-o", "uat:esp_sa:" + line]
    for line in ike:
        args += ["-o", "uat:ikev1_decryption_table:" + line]
    return args


def tshark(path, args, show, *fields):
    cmd = ["tshark", "-n", "-r", path, *args, "-Y", show, "-T", "fields", "-E", "occurrence=a"]
    for f in fields:
        cmd += ["-e", f]
    return [line.split("\t") for line in sh(cmd).splitlines()]


CASES = {  # what the initiator's quick mode must be seen to offer, and what is inside
    "vti": ("R1", "FastEthernet0/0", "10.0.0.2", {}, "icmp", {"3", "1"}),
    "vti-gcm": ("R1", "FastEthernet0/0", "10.0.0.2", {r: ("esp-3des esp-sha-hmac", "esp-gcm 256") for r in ("R1.cfg", "R3.cfg")}, "icmp", {"20"}),
    "vti-aes-sha512": ("R1", "FastEthernet0/0", "10.0.0.2", {r: ("esp-3des esp-sha-hmac", "esp-aes 192 esp-sha512-hmac") for r in ("R1.cfg", "R3.cfg")}, "icmp", {"12"}),
    "gre-ipv6": ("R1", "Serial0/0", "CAFE:2::1", {}, "icmpv6", {"2"}),
}


@pytest.mark.parametrize("case", CASES)
def test_tshark_opens_it(lab, tmp_path, case):
    node, link, target, replace, inner, transform = CASES[case]
    l = lab(re.sub("^vti.*", "vti", case), replace=replace)
    cap = Capture(l.ns(node), re.sub(r"^([A-Z][a-z]).*?(\d+)/(\d+)$", r"\1\2-\3", link), tmp_path / "wan.pcap")
    assert l.exec(node, "show crypto keys wireshark", check=False).startswith("% The key log is off")
    if case == "gre-ipv6":
        l.wait_route("R1", "2.2.2.2")
        l.wait_route("R2", "1.1.1.1")
    l.exec(node, "keylog on")
    source = " source fa 0/0" if case == "gre-ipv6" else ""
    if not source:  # a VTI's negotiation began when it came up, perhaps ahead of the capture: once more, from the start
        until(lambda: "!!!!!" in l.exec(node, "ping " + target, check=False), 30)
        l.exec(node, "clear crypto session")
    ike = []
    until(lambda: "!!!!!" in l.exec(node, "ping " + target + source, check=False), 30)
    keys(l, node, ike)  # the pair that stays is there: all of the next five go by it
    until(lambda: "!!!!!" in l.exec(node, "ping " + target + source, check=False), 30)
    args = keys(l, node, ike)
    cap.close()
    path = tmp_path / "wan.pcap"

    # ESP: five requests and five answers inside, every integrity check right
    spis = [re.search(r'"(0x[0-9a-f]{8})"', a).group(1) for a in args if "esp_sa" in a]
    mine = " or ".join(f"esp.spi == {s}" for s in spis)
    echo = {"icmp": ("icmp.type", "8", "0"), "icmpv6": ("icmpv6.type", "128", "129")}[inner]
    seen = [r[0].split(",")[-1] for r in tshark(path, args, f"({mine}) and {inner}", echo[0])]
    assert seen.count(echo[1]) >= 5 and seen.count(echo[2]) >= 5, seen
    assert not tshark(path, args, f"({mine}) and esp.icv_bad == 1", "frame.number")
    assert len(tshark(path, args, f"({mine}) and esp.icv_good == 1", "frame.number")) >= 10
    assert not tshark(path, [], inner + " and esp", "frame.number")  # and nothing of it without the keys

    # IKE: identification and hash in message 5, the proposal of quick mode
    # both ends of a VTI may have begun: the ISAKMP SA that the living pair was made under is the one
    cookies = [a.split(":")[2].split(",")[0] for a in args if "ikev1_decryption" in a]
    quick_of = lambda c: tshark(path, args, f"isakmp.ispi == {c} and isakmp.exchangetype == 32", "isakmp.prop.transforms", "isakmp.trans.id", "isakmp.spi", "isakmp.nonce")
    offered_in = lambda quick: {"0x" + s for r in quick[:2] for s in r[2].replace(":", "").split(",") if s}
    cookie = next((c for c in cookies if offered_in(quick_of(c)) == set(spis)), cookies[-1])
    sa = f"isakmp.ispi == {cookie}"
    main = tshark(path, args, f"{sa} and isakmp.exchangetype == 2 and isakmp.flag_e == 1", "isakmp.id.data.ipv4_addr", "isakmp.hash")
    assert len(main) == 2 and all(r[0] and r[1] for r in main), main
    quick = quick_of(cookie)
    assert len(quick) >= 3 and set(quick[0][1].split(",")) <= transform, quick
    assert offered_in(quick) == set(spis), (offered_in(quick), spis)
