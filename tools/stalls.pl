#!/usr/bin/perl
# Note when this machine stands still, as a guest does whose host has other work:
#   stalls.pl FILE
# On each processor a process sleeps for 20 ms, again and again. When it wakes more than
# a fifth of a second late, it adds a line to FILE: when that began, when it ended, in
# seconds since 1970. Until SIGTERM, or until its parent has gone.
use strict;
use warnings;
use Time::HiRes qw(sleep time);

use constant {NAP => 0.02, LATE => 0.2};

my ($file) = @ARGV or die "usage: stalls.pl FILE\n";
my $parent = getppid;

sub watch {
    my $last = time;
    while (getppid == $_[0]) {
        sleep NAP;
        my $now = time;
        if ($now - $last > NAP + LATE) {
            open my $out, '>>', $file or exit 1;
            printf $out "%.3f %.3f\n", $last, $now;
            close $out;
        }
        $last = $now;
    }
}

my $me = $$;
my @children;
for my $cpu (map { m/(\d+)$/ } glob '/sys/devices/system/cpu/cpu[0-9]*') {
    my $child = fork;
    die "fork: $!\n" if !defined $child;
    if ($child == 0) {
        system "taskset -cp $cpu $$ >/dev/null 2>&1";
        watch($me);
        exit 0;
    }
    push @children, $child;
}
$SIG{TERM} = sub { exit 0 };
sleep 1 while getppid == $parent;
