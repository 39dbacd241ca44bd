#!/bin/bash
# Write the corpus of fuzz_net: tests/fuzz/corpus/net, one file a scenario. The
# steps are those of fuzz_net.c.
#   corpus_net.sh [DIRECTORY]
cd "$(dirname "$0")/../.." || exit 1
out="${1:-tests/fuzz/corpus/net}"
mkdir -p "$out"

bytes() { # numbers, as bytes
    local n
    for n; do
        printf "\\x$(printf %02x $((n & 255)))"
    done
}
word() { bytes $(($1 >> 8)) "$1"; }

# raw BYTES..., ip PEER PROTOCOL FRAGMENT BYTES...
raw() { bytes 0 $# "$@"; }
ip() { bytes 1 "$1" "$2" "$3" $(($# - 3)) "${@:4}"; }

# tcp FLAGS [name=value]...: seq, ack (distances), win, peer, port; then, in this
# order, frag, urg, opt="BYTES", ts="VALUE AGE-OF-THE-ECHO", sack="START LENGTH ...",
# len and first
F=1 S=2 R=4 P=8 A=16 U=32
tcp() {
    local flags=$1 seq=0 ack=0 win=60000 peer=0 port=0 closed=0 group=0
    local frag="" urg="" opt="" ts="" sack="" len="" first=100 shape=0
    shift
    [ $# -eq 0 ] || local "$@"
    [ "$closed" = 0 ] || shape=$((shape | 1))
    [ -z "$frag" ] || shape=$((shape | 2))
    [ -z "$urg" ] || shape=$((shape | 4))
    [ -z "$opt" ] || shape=$((shape | 8))
    [ -z "$len" ] || shape=$((shape | 16))
    [ "$group" = 0 ] || shape=$((shape | 32))
    [ -z "$ts$sack" ] || shape=$((shape | 128))
    bytes 2 $shape $((peer << 4 | port)) "$flags"
    word "$seq"
    word "$ack"
    word "$win"
    [ -z "$frag" ] || bytes "$frag"
    [ -z "$urg" ] || word "$urg"
    # shellcheck disable=SC2086
    [ -z "$opt" ] || { set -- $opt && bytes $# "$@"; }
    # shellcheck disable=SC2086
    [ -z "$ts$sack" ] || {
        set -- $sack && bytes $((($# / 2) | (${#ts} > 0 ? 128 : 0)))
        set -- $ts $sack && for n; do word "$n"; done
    }
    [ -z "$len" ] || { word "$len" && bytes "$first"; }
}
# icmp PEER TYPE CODE MTU PORT SEQ QUOTE
icmp() { bytes 3 "$1" "$2" "$3"; word "$4"; bytes "$5"; word "$6"; bytes "$7"; }
arp() { bytes 4 "$@"; } # OPERATION SENDER TARGET MAC
sleep_ms() { bytes 5 "$1"; } # 2^n
card_full() { bytes 6 1; }
card_free() { bytes 6 0; }
budget() { bytes 7 "$1"; }
heap_fail() { bytes 8 "$1"; }
app_read() { bytes 9 0 "${1:-0}"; }
app_close() { bytes 9 1 "${1:-0}"; }
app_abort() { bytes 9 2 "${1:-0}"; }
app_send() { bytes 9 3 "${1:-0}"; }
app_pause() { bytes 9 4 0; }

# Sockets of threads: WHAT SLOT MORE...
sock_connect() { bytes 10 0 "$1" "$2" "$3"; } # SLOT, local port (0: 80), peer and port
sock_listen() { bytes 10 1 "$1" "$2"; }
sock_accept() { bytes 10 2 "$1" "$2"; }
sock_close() { bytes 10 3 "$1" 0; }
sock_abort() { bytes 10 4 "$1" 0; }
sock_read() { bytes 10 5 "$1" 100; }
sock_write() { bytes 10 6 "$1" "$2"; }
sock_shutdown() { bytes 10 7 "$1" 0; }
sock_option() { bytes 10 8 "$1" "$2"; }
sock_wait() { bytes 10 9 "$1" 7; }
marked() { bytes 2 $((64 | 16)) 0 "$1"; word 0; word 0; word 60000; word 500; bytes 100; }

linux="2 4 5 180 4 2 8 10 0 0 0 1 0 0 0 0 1 3 3 7"
connect() { tcp $S "$@"; tcp $A "$@"; }
data() { tcp $((A | P)) len="$@"; }
write() { cat >"$out/$1"; }

connect | write handshake
connect "opt=$linux" | write handshake_options
{ tcp $S "opt=2 4 1 0 1 3 3 14"; tcp $A "opt=1 1 8 10 0 0 0 2 0 0 0 1"; data 9; } |
    write timestamps_and_scale
{ tcp $S "opt=2 4 0 0"; tcp $S port=1 "opt=2 4 0 1"; tcp $S port=2 "opt=3 2 9"; } |
    write bad_options
{ connect; data 5; sleep_ms 6; tcp $A; } | write echo
{ connect; data 1000 first=42; tcp $A; tcp $A; } | write much_data
{ connect; data 300; tcp $((F | A)); tcp $A; } | write peer_closes
{ connect; app_close; tcp $A; tcp $((F | A)); sleep_ms 17; } | write time_wait
{ connect; app_close; tcp $((F | A)); tcp $((F | A)); tcp $S seq=500; tcp $A; } |
    write time_wait_reused
{ connect; app_close; tcp $((F | A)) ack=-1; tcp $A; } | write both_close
{ connect; data 10 first=46; tcp $A; data 900; tcp $((F | A)); } | write closed_by_service
{ connect; data 10 first=33; } | write aborted_by_service
{ connect; app_abort; tcp $A; } | write abort
{ connect; tcp $R seq=5; tcp $R; } | write resets
{ connect; tcp $S seq=3; tcp $((S | A)); tcp $((S | F)); } | write syn_in_window
{ connect; data 100 seq=1000; data 100 seq=500; data 500; data 500; tcp $A; } |
    write out_of_order
{ connect; for i in 2 6 4 8 12 10 14 18 16 20 24 22 26 30 28 32 36 34 0; do
    data 1 seq=$i; done; } | write many_ranges
{ connect; data 100 seq=200; tcp $((F | A)) seq=50; tcp $((F | A)) seq=300; data 200; } |
    write fin_out_of_order
{ connect; app_pause; for i in 1 2 3 4 5 6; do data 1400; done; app_read; tcp $A; } |
    write window_closes
{ connect win=0; data 20; sleep_ms 9; tcp $A win=0; sleep_ms 10; tcp $A win=9000; } |
    write zero_window
{ connect win=10; data 200; tcp $A win=3; sleep_ms 10; tcp $A win=700; } |
    write small_window
{ connect; app_send; tcp $A ack=-1000; tcp $A ack=-1000; tcp $A ack=-1000
  tcp $A ack=-1000; tcp $A; } | write fast_retransmit
{ connect; app_send; sleep_ms 8; sleep_ms 9; tcp $A ack=-500; sleep_ms 10; tcp $A; } |
    write timeouts
{ connect; app_send; sleep_ms 17; sleep_ms 17; } | write given_up
{ connect; sleep_ms 15; } | write idle
{ sock_connect 0 0 0; tcp $((S | A)); sock_wait 0; sock_write 0 50; data 300; sock_read 0
  tcp $A; sock_close 0; tcp $((F | A)); } | write active_open
{ sock_connect 0 0 0; tcp $S "opt=$linux"; tcp $((S | A)); sock_write 0 200; } |
    write simultaneous_open
{ sock_connect 0 0 0; tcp $((R | A)); sock_connect 0 0 1; sleep_ms 17; } | write refused
{ sock_connect 0 0 0; icmp 0 3 3 0 0 -1 28; sock_connect 1 0 1; icmp 0 3 1 0 1 -1 28
  sleep_ms 17; } | write active_open_and_icmp
{ sock_connect 0 0 0; tcp $((S | A)); sock_shutdown 0; data 100; tcp $((F | A))
  sock_read 0; sock_read 0; sock_close 0; sleep_ms 17; } | write half_close
{ sock_connect 0 0 0; tcp $((S | A)); data 100; tcp $((F | A)); sock_shutdown 0; tcp $A
  sock_read 0; sock_close 0; } | write last_ack_unread
{ sock_listen 0 1; tcp $S closed=1; tcp $A closed=1; tcp $S closed=1 port=1
  sock_accept 0 1; sock_wait 1; sock_close 0; sock_abort 1; } | write listener
{ sock_listen 0 1; sock_connect 1 2 $((0xc1)); sock_accept 0 2; sock_write 1 200
  sock_read 2; sock_close 2; sock_read 1; sock_close 1; sock_close 0; sleep_ms 17; } |
    write to_ourselves
{ sock_connect 0 0 0; tcp $((S | A)); sock_option 0 $((128 | 3)); sock_option 0 $((128 | 2))
  sleep_ms 15; tcp $A; sock_option 0 0; sock_write 0 1; sock_write 0 1; sleep_ms 15
  sleep_ms 17; } | write options
{ sock_connect 0 2 0; sock_option 0 0; sleep_ms 15; sleep_ms 17; } | write syn_with_options
{ tcp $((S | 192)); tcp $A; data 900; marked $A; data 900; tcp $((A | 128)); app_send
  tcp $((A | 64)); tcp $A; } | write ecn
{ heap_fail 1; sock_connect 0 0 0; heap_fail 2; sock_connect 0 0 0; sock_connect 0 0 0
  tcp $((S | A)); heap_fail 1; sock_option 0 1; sock_write 0 9; } | write sockets_without_memory
{ connect; app_send; icmp 0 3 4 600 0 -1500 28; icmp 0 3 4 0 0 -100 28; tcp $A; } |
    write path_mtu
{ connect; app_send; icmp 0 3 4 600 0 5 28; icmp 0 3 4 68 0 -100 28
  icmp 0 3 1 600 0 -100 20; icmp 1 11 0 0 3 0 60; } | write icmp_errors
{ ip 0 1 0 8 0 0 0 1 2 3 4 5; ip 0 1 0 8 1 0 0; ip 0 17 0 1 2 3 4 5 6 7 8
  ip 0 47 0 9; } | write ping_and_others
{ ip 0 1 0x80 8 0 0 0 1 2 3 4; ip 0 1 1 5 6 7 8; tcp $S frag=0x80; tcp $S frag=0x7f; } |
    write fragments
{ arp 1 50 1 9; arp 2 50 1 10; arp 1 2 2 66; arp 2 254 1 77; arp 1 0 1 9; arp 1 1 1 9
  arp 1 255 1 9; arp 9 2 1 9; tcp $S; } | write arp
{ for i in 1 2 3 4 5 6; do arp 1 $((32 * i + 5)) 1 $i; done; tcp $S; } | write arp_set_full
{ tcp $S peer=2; tcp $S peer=2 port=1; sleep_ms 10; tcp $S peer=2 port=2
  arp 2 41 1 7; tcp $A peer=2; } | write unknown_neighbour
{ connect peer=3; data 30 peer=3; tcp $A peer=3; tcp $((F | A)) peer=3; } | write behind_gateway
{ for i in 0 1 2 3 4 5 6 7; do tcp $S port=$i; done
  for i in 0 1 2 3 4 5 6 7; do tcp $S port=$i peer=1; done
  tcp $A port=7 peer=1; tcp $A port=6 peer=1; data 9 port=7 peer=1; } | write syn_cookies
{ tcp $S closed=1; tcp $A closed=1; tcp $F closed=1; tcp $S group=1; tcp 0; } | write no_listener
{ connect; data 50 urg=3; data 50 urg=60000; } | write urgent
{ connect; card_full; data 1000 first=42; sleep_ms 3; card_free; tcp $A; } | write full_card
{ connect; budget 0; data 500; budget 1; data 500; app_send; budget 200; data 9; } |
    write no_budget
{ heap_fail 1; connect; heap_fail 2; connect port=1; heap_fail 1; connect port=1
  connect port=2; heap_fail 1; data 900 port=2; data 900 port=2; } | write no_memory
{ for i in 0 1 2 3 4 5 6 7; do connect port=$i; done; connect peer=1
  connect peer=1 port=1; connect peer=1 port=2; connect peer=1 port=3; } | write backlog
{ raw; raw 82 84 0 0 0 1 82 84 0 0 0 2 8 0 69; raw 255 255 255 255 255 255 1 2 3 4 5 6 8 6
  raw 82 84 0 0 0 1 82 84 0 0 0 2 134 221 96 0; } | write short_frames
{ raw 82 84 0 0 0 1 82 84 0 0 0 2 8 0 70 0 0 40 0 0 64 0 64 1 0 0 10 0 0 2 10 0 0 1 \
    1 1 1 1 8 0 247 255 0 0 0 0; } | write ip_options
# With all options: each segment has a timestamp then.
open_all() { tcp $S "opt=$linux" "$@"; tcp $A ts="2 0" "$@"; }
{ open_all; tcp $((A | P)) ts="3 0" len=900 first=42; tcp $A ack=-14480 ts="3 0" sack="1448 1448"
  tcp $A ack=-14480 ts="4 0" sack="1448 4344"; sleep_ms 4; tcp $A ts="5 0"; } | write sack
{ open_all; tcp $((A | P)) ts="3 0" len=900 first=42; tcp $A ack=-20000 ts="4 0"
  for i in 1 3 5 7; do tcp $A ack=-20000 ts="$((4 + i)) 0" sack="$((i * 1448)) 1448"; done
  sleep_ms 5; tcp $A ack=-9000 ts="20 0" sack="1448 1448 4000 500 6000 100"
  sleep_ms 9; tcp $A ts="30 0"; } | write sack_holes
{ open_all; app_send; sleep_ms 8; tcp $A ts="3 300"; tcp $A ts="4 0" sack="-1000 1000"; } |
    write spurious_timeout
{ open_all; app_send; sleep_ms 5; sleep_ms 5; tcp $A ts="3 0" sack="-1448 1448"
  tcp $A ts="3 0" sack="-500 100 5 5"; } | write probe_and_duplicate
{ open_all; app_send; tcp $A ack=-4000 ts="3 0" sack="60000 1 0 0 -2000 1000 1000 60000"; } |
    write impossible_sack
{ open_all; tcp $((A | P)) ts="9 0" len=10; tcp $((A | P)) ts="3 0" len=10
  tcp $((A | P)) len=10; tcp $((A | P)) ts="65535 5" len=10; } | write old_timestamps
{ open_all; for i in 20 16 12 8 4 18 14 10 6 2; do
    tcp $((A | P)) seq=$((i * 100)) ts="$((30 - i)) 0" len=100; done
  tcp $((A | P)) seq=400 ts="40 0" len=300; tcp $((A | P)) ts="41 0" len=200; } |
    write holes_told
{ open_all; app_close; tcp $((F | A)) ts="3 0"; tcp $S "opt=2 4 5 180 8 10 0 0 0 9 0 0 0 0"
  tcp $A ts="10 0"; } | write time_wait_by_timestamps
{ for i in 0 1 2 3 4 5 6 7; do tcp $S port=$i "opt=$linux"; tcp $S port=$i peer=1 "opt=$linux"
  done; tcp $A port=7 peer=1 ts="2 0"; tcp $((A | P)) port=7 peer=1 ts="3 0" len=9; } |
    write cookies_with_options
