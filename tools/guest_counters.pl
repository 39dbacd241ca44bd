#!/usr/bin/perl
# From what images have counted to the .gcda files that gcov reads.
#
#   guest_counters.pl DIRECTORY STREAM...
#
# A STREAM is what tests/guest/counters/dump.c has sent. The counters of an object that
# several images have are added. Only files below DIRECTORY are written. A STREAM that is
# missing, damaged or cut short is named and left out, and the exit status is 1. The format of a
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
        die "$name: a record is cut short\n" if $at + $length > length $data;
        push @records, [$tag, substr $data, $at, $length];
        $at += $length;
    }
    return [substr($data, 0, 16), \@records];
}

sub compare {
    my ($name, $new) = @_;
    my $sum = $objects{$name} or return;
    die "$name: two images have different ones\n" if $sum->[0] ne $new->[0] || @{$sum->[1]} != @{$new->[1]};
    for my $i (0 .. $#{$sum->[1]}) {
        my ($to, $from) = ($sum->[1][$i], $new->[1][$i]);
        die "$name: two images have different ones\n"
            if $to->[0] != $from->[0] || length $to->[1] != length $from->[1];
    }
}

sub add {
    my ($name, $new) = @_;
    my $sum = $objects{$name} //= $new;
    return if $sum == $new;
    for my $i (0 .. $#{$sum->[1]}) {
        my ($to, $from) = ($sum->[1][$i], $new->[1][$i]);
        next if $to->[0] != COUNTERS;
        my @to = unpack 'Q<*', $to->[1];
        my @from = unpack 'Q<*', $from->[1];
        $to[$_] += $from[$_] for 0 .. $#to;
        $to->[1] = pack 'Q<*', @to;
    }
}

# All that a stream has, or nothing.
sub stream {
    my ($path) = @_;
    open my $in, '<:raw', $path or die "$!\n";
    my ($name, $data, @all) = ('', '');
    while (read($in, my $head, 5) == 5) {
        my ($kind, $length) = unpack 'aV', $head;
        my $bytes = '';
        die "it ends in the middle\n" if $length > 0 && read($in, $bytes, $length) != $length;
        if ($kind eq 'F') {
            ($name, $data) = ($bytes, '');
        } elsif ($kind eq 'D') {
            $data .= $bytes;
        } elsif ($kind eq 'E') {
            push @all, [$name, records($name, $data)] if $name ne '';
            $name = '';
        } elsif ($kind eq 'Z') {
            compare(@$_) for @all;
            return @all;
        } else {
            die "no stream of counters\n";
        }
    }
    die "it has no end\n";
}

my ($status, $written) = (0, 0);
for my $path (@streams) {
    my @all = eval { stream($path) };
    if ($@) {
        warn "$path is left out: $@";
        $status = 1;
        next;
    }
    add(@$_) for @all;
}
for my $name (keys %objects) {
    next if index($name, "$directory/") != 0;
    $written++;
    open my $out, '>:raw', $name or die "$name: $!\n";
    print $out $objects{$name}[0];
    print $out pack('VV', $_->[0], length $_->[1]), $_->[1] for @{$objects{$name}[1]};
    print $out pack 'V', 0;
}
die "guest_counters.pl: no stream has counters of $directory\n" if $written == 0;
exit $status;
