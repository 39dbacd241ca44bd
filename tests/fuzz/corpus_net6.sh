#!/bin/bash
# Write the corpus of fuzz_net6: tests/fuzz/corpus/net6, one file a scenario. The
# steps are those of fuzz_net6.c.
#   corpus_net6.sh [DIRECTORY]
cd "$(dirname "$0")/../.." || exit 1
out="${1:-tests/fuzz/corpus/net6}"
mkdir -p "$out"

bytes() { # numbers, as bytes
    local n
    for n; do
        printf "\\x$(printf %02x $((n & 255)))"
    done
}

# The addresses of fuzz_net6.c by their numbers.
peer=0 router=1 global=2 ours=3 none=4 loop=5 all=6 link=7 made=8 routers=9 group=10
far=11 ip4=12 other=13 prefix=14 mld=15

auto() { bytes 0; }
static() { bytes 1; }
raw() { bytes 0 $# "$@"; }
ip() { bytes 1 "$1" "$2" "$3" "$4" $(($# - 4)) "${@:5}"; }   # SRC DST NEXT HOPS BYTES
icmp() { bytes 2 "$1" "$2" "$3" $(($# - 3)) "${@:4}"; }      # SRC DST HOPS BYTES
fragment() { bytes 3 "$@"; }   # SRC DST NEXT ID OFFSET|MORE LENGTH/4
ns() { bytes 4 "$1" "$2" 0 "$4" "$3" "$5"; }                 # SRC DST TARGET FLAGS MAC
na() { bytes 4 "$1" "$2" 1 "$4" "$3" "$5"; }
ra() { bytes 5 "$@"; }         # SRC DST HOPS PREF LIFE MTU COUNT (PREFIX LEN FLAGS VALID SHIFT PREF)... DNS..
redirect() { bytes 6 "$@"; }   # SRC DST TARGET DESTINATION
query() { bytes 7 "$@"; }      # SRC DST DELAY GROUP SIZE
error() { bytes 8 "$@"; }      # SRC DST TYPE CODE MTU MTU PROTOCOL FROM TO PORT PORT
tcp() { bytes 9 "$@"; }        # SRC DST FLAGS SEQ ACK LENGTH/4
sleep_ms() { bytes 10 "$1"; }  # 2^n
card_full() { bytes 11 1; }
card_free() { bytes 11 0; }
heap_fail() { bytes 12 "$1"; }
send() { bytes 13 "$1"; }
echo_request() { icmp "$1" "$2" 64 128 0 0 0 1 2 3 4 5 6 7 8; }
write() { cat >"$out/$1"; }

{ static; echo_request $global $ours; echo_request $peer $all; echo_request $none $all
  echo_request $ours $ours; echo_request $ip4 $ours; } | write echo
{ auto; sleep_ms 11; ra $router $all 64 8 100 200 1 $prefix 64 192 100 8 50 0
  sleep_ms 12; echo_request $other $made; sleep_ms 22; } | write autoconf
{ auto; sleep_ms 11; for i in 1 17 33 49 65 81 97; do
    ra $i $all 64 0 10 0 4 $i 64 192 1 0 1 $prefix 64 128 9 9 9 $far 48 192 5 20 0 \
        $((i + 13)) 63 64 3 0 1 1 $global 200; sleep_ms 13; done; sleep_ms 22; } |
    write many_routers
{ auto; ns $none $group $link 1 0; na $peer $all $link 0 9; sleep_ms 12
  na $peer $all $link 32 9; sleep_ms 12; } | write duplicate
{ static; ns $peer $group $ours 0 2; ns $none $group $ours 1 0; ns $far $ours $ours 0 2
  ns $peer $ours $ours 0 130; ns $peer $ours $loop 0 2; } | write solicitations
{ static; send 50; na 50 $ours 50 96 7; send 50; na 50 $all 50 32 8; na 50 $ours 50 96 8
  sleep_ms 11; na 50 $ours 50 64 7; na 50 $ours 50 65 0; } | write advertisements
{ static; send $far; redirect $router $ours 19 $far; send $far; na $router $ours $router 96 3
  redirect 19 $ours $far $far; sleep_ms 20; send $far; } | write redirects
{ static; for i in 0 1 2 3 4 5 6 7; do redirect $router $ours 13 $((16 * i + 11)); done
  sleep_ms 20; } | write many_redirects
{ static; query $router $all 4 $none 5; sleep_ms 11; query $router $all 1 $group 1
  sleep_ms 9; query $peer $all 0 $all 6; sleep_ms 19; } | write queries
{ static; icmp $peer $ours 64 128 0 0 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
  fragment $peer $ours 58 1 1 2; fragment $peer $ours 58 1 2 3
  fragment $peer $ours 58 2 1 2; fragment $peer $ours 58 2 1 4; sleep_ms 15; } | write fragments
{ static; ip $peer $ours 0 64 60 0 5 2 0 0 1 0 44 0 1 4 0 0 0 0 59 0 0 0 0 0 0 1
  ip $peer $ours 43 64 59 0 0 1 0 0 0 0; ip $peer $all 60 64 59 0 128 4 0 0 0 0
  ip $peer $ours 60 64 200 0 1 4 0 0 0 0 1 2 3 4 5 6 7 8; ip $peer $ours 17 64 0 9 0 7
  ip $peer $ours 59 64; } | write extensions
{ static; send $global; error $router $ours 1 4 0 0 17 $ours $global 7 9
  error $router $ours 2 0 5 0 6 $ours $global 80 9; error $router $ours 4 1 0 6 200 $ours $far 0 0
  error $router $ours 3 1 0 0 58 $ours $far 0 0; } | write errors
{ static; tcp $global $ours 2 0 0 0; tcp $global $ours 16 1 0 0; tcp $global $ours 24 1 0 4
  tcp $global $ours 17 17 16 0; tcp $global $ours 16 18 1 0; sleep_ms 17; } | write connection
{ static; for i in 2 18 34 50 66; do tcp $i $ours 2 0 0 0; done; tcp 66 $ours 16 1 0 0
  tcp 82 $ours 16 1 7 0; sleep_ms 17; } | write cookies
{ static; heap_fail 1; fragment $peer $ours 58 1 1 2; heap_fail 2; fragment $peer $ours 58 3 1 2
  heap_fail 1; tcp $global $ours 2 0 0 0; heap_fail 1; send 60; sleep_ms 12; } | write no_memory
{ static; card_full; echo_request $global $ours; ns $peer $ours $ours 0 2; sleep_ms 8
  send 99; card_free; sleep_ms 12; } | write full_card
{ static; send $loop; send $ours; send $link; send $all; send $ip4; send $none; sleep_ms 1; } |
    write to_ourselves
{ static; raw 82 84 0 0 0 1 82 84 0 0 0 2 134 221 96 0 0 0; raw 51 51 0 0 0 1 82 84 0 0 0 2 134 221
  ip $peer $routers 58 255 133 0 0 0 0 0 0 0; icmp $peer $mld 1 143 0 0 0 0 0 0 0; } |
    write short_frames
