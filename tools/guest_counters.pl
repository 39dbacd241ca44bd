#!/usr/bin/perl
# From what images have counted to the .gcda files that gcov reads.
#
#   guest_counters.pl DIRECTORY STREAM...
#
# A STREAM is what tests/guest/counters/dump.c has sent. The counters of an object that
# several images have are added. Only files below DIRECTORY are written. The format of a
# .gcda file: gcc 12, gcov-io.h: four words, then records of a tag, a length in bytes, and
# data; a negative length stands for so many bytes of counters that are all 0.
use strict;
use warnings;

my ($directory, @streams) = @ARGV;
die "usage: guest_counters.pl DIRECTORY STREAM...\n" if !@streams;
use constant COUNTERS => 0x01a10000;
my %objects; # by name: the header and the records, [tag, data]

sub records {
    my ($name, $data) = @_;
    die "$name: this is no .gcda of gcc 12\n" if substr($data, 0, 4) ne 'adcg';
    my $at = 16;
    my @records;
    while ($at + 8 <= length $data) {
        my ($tag, $length) = unpack 'Vl<', substr $data, $at, 8;
        $at += 8;
        last if $tag == 0;
        if ($length < 0) {
            push @records, [$tag, "\0" x -$length];
            next;
        }
        push @records, [$tag, substr $data, $at, $length];
        $at += $length;
    }
    return [substr($data, 0, 16), \@records];
}

sub add {
    my ($name, $data) = @_;
    my $new = records($name, $data);
    my $sum = $objects{$name} //= $new;
    return if $sum == $new;
    die "$name: two images have different ones\n" if $sum->[0] ne $new->[0] || @{$sum->[1]} != @{$new->[1]};
    for my $i (0 .. $#{$sum->[1]}) {
        my ($to, $from) = ($sum->[1][$i], $new->[1][$i]);
        next if $to->[0] != COUNTERS;
        my @to = unpack 'Q<*', $to->[1];
        my @from = unpack 'Q<*', $from->[1];
        $to[$_] += $from[$_] for 0 .. $#to;
        $to->[1] = pack 'Q<*', @to;
    }
}

for my $stream (@streams) {
    open my $in, '<:raw', $stream or die "$stream: $!\n";
    my ($name, $data) = ('', '');
    while (read($in, my $head, 5) == 5) {
        my ($kind, $length) = unpack 'aV', $head;
        my $bytes = '';
        die "$stream: it ends in the middle\n" if $length > 0 && read($in, $bytes, $length) != $length;
        if ($kind eq 'F') {
            ($name, $data) = ($bytes, '');
        } elsif ($kind eq 'D') {
            $data .= $bytes;
        } elsif ($kind eq 'E') {
            add($name, $data) if $name ne '';
        } else {
            die "$stream: no stream of counters\n";
        }
    }
}
for my $name (keys %objects) {
    next if index($name, "$directory/") != 0;
    open my $out, '>:raw', $name or die "$name: $!\n";
    print $out $objects{$name}[0];
    print $out pack('VV', $_->[0], length $_->[1]), $_->[1] for @{$objects{$name}[1]};
    print $out pack 'V', 0;
}
