#!/usr/bin/perl
# The table of tools/coverage_union.sh, out of three tracefiles of lcov.
#
#   coverage_union.pl HOST GUEST INTEGRATION
#
# A line counts when a compiler has code for it; one that only the integration tests'
# images have does not. A file that is not there counts nothing: "-".
use strict;
use warnings;

my @kinds = qw(host guest integration);
my (%lines, %there); # by file and line, and by kind: the count

for my $kind (@kinds) {
    my $path = shift @ARGV or die "usage: coverage_union.pl HOST GUEST INTEGRATION\n";
    my $file = '';
    open my $in, '<', $path or next;
    $there{$kind} = 1;
    while (<$in>) {
        $file = $1 if m{^SF:(?:.*?/)??((?:kernel|drivers|fs|net|hal|apps|include)/.*)$};
        next if !/^DA:(\d+),(\d+)/;
        next if $kind eq 'integration' && !exists $lines{$file}{$1};
        $lines{$file}{$1}{$kind} = $2;
    }
}

my %rows; # by directory, and of kind or "union": [lines, executed]
sub count {
    my ($row, $kind, $executed) = @_;
    my $sum = $rows{$row}{$kind} //= [0, 0];
    $sum->[0]++;
    $sum->[1] += $executed ? 1 : 0;
}
for my $file (keys %lines) {
    my ($directory) = $file =~ m{^(.*)/};
    next if $directory =~ m{^hal/posix};
    for my $of (values %{$lines{$file}}) {
        for my $row ($directory, $file =~ m{^hal/baremetal} ? '(hal/baremetal)' : (), '(all)') {
            count($row, $_, $of->{$_}) for grep { defined $of->{$_} } @kinds;
            count($row, 'union', scalar grep { $_ } values %$of);
        }
    }
}

sub percent {
    my ($sum) = @_;
    return defined $sum ? sprintf '%.1f', 100 * $sum->[1] / $sum->[0] : '-';
}
printf "%-28s %6s %6s %12s %6s %6s\n", 'directory', @kinds, 'union', 'lines';
for my $row (sort { $a =~ /^\(/ <=> $b =~ /^\(/ || $a cmp $b } keys %rows) {
    printf "%-28s %6s %6s %12s %6s %6d\n", $row, map({ percent($rows{$row}{$_}) } @kinds, 'union'),
        $rows{$row}{union}[0];
}
