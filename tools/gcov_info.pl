#!/usr/bin/perl
# The tracefile of lcov (geninfo(1)) for genhtml, from what gcov says about some objects:
#
#   gcov --json-format --branch-probabilities --stdout OBJECT.gcno... |
#       gcov_info.pl DIRECTORY...
#
# Counts of a line or a branch that several objects have (a header) are added. An object
# that was never executed counts too. Only sources below a DIRECTORY are told. The branches
# of a line with an assertion do not count: that of the failure is not one a test can take
# and survive. lcov tells the same to the line, and takes a hundred times as long.
use strict;
use warnings;

my $wanted = join '|', map { quotemeta } @ARGV;
my (%lines, %branches, %functions);

# One source as one object has it.
sub add_file {
    my ($file, $text, $functions) = @_;
    my $entries = 0;
    while ($text =~ /\{"branches": \[([^\]]*)\], "count": (\d+), "line_number": (\d+), "unexecuted_block": (true|false)/g) {
        my ($branches, $count, $line, $unexecuted) = ($1, $2, $3, $4 eq 'true' && $2 == 0);
        my $n = 0;
        $entries++;
        $lines{$file}{$line} += $count;
        while ($branches =~ /"count": (\d+)/g) {
            my $sum = \$branches{$file}{$line}[$n++];
            $$sum //= '-';
            $$sum = ($$sum eq '-' ? 0 : $$sum) + $1 if !$unexecuted;
        }
    }
    my $names = () = $text =~ /"line_number"/g;
    die "gcov_info.pl: this is not the format of gcov 12: $file\n" if $entries != $names;
    while ($functions =~ /\{([^}]*)\}/g) {
        my %of = $1 =~ /"(start_line|name|execution_count)": "?([\w.]+)/g;
        my $known = $functions{$file}{$of{name}} //= [$of{start_line}, 0];
        $known->[1] += $of{execution_count};
    }
}

while (my $object = <STDIN>) {
    my $files = 0;
    while ($object =~ /\{"lines": \[(.*?)\], "functions": \[(.*?)\], "file": "([^"]+)"\}/g) {
        my ($lines, $functions, $file) = ($1, $2, $3);
        $files++;
        add_file($file, $lines, $functions) if $file =~ m{^(?:$wanted)/};
    }
    my $names = () = $object =~ /"file": /g;
    die "gcov_info.pl: this is not the format of gcov 12\n" if $files != $names || ($files == 0 && $object !~ /"files": \[\]/);
}

# The lines whose branches do not count.
sub without_branches {
    my ($file) = @_;
    my %without;
    open my $in, '<', $file or die "$file: $!\n";
    while (<$in>) {
        $without{$.} = 1 if /[^_]assert\(/;
    }
    return \%without;
}

die "gcov_info.pl: no source is below @ARGV\n" if !%lines;
for my $file (sort keys %lines) {
    my $without = without_branches($file);
    my ($found, $hit, $branches_found, $branches_hit) = (0, 0, 0, 0);
    print "TN:\nSF:$ENV{PWD}/$file\n";
    for my $name (sort keys %{$functions{$file}}) {
        my ($line, $count) = @{$functions{$file}{$name}};
        print "FN:$line,$name\nFNDA:$count,$name\n";
    }
    for my $line (sort { $a <=> $b } keys %{$lines{$file}}) {
        my $count = $lines{$file}{$line};
        my $n = 0;
        for my $taken ($without->{$line} ? () : @{$branches{$file}{$line} // []}) {
            print "BRDA:$line,0,", $n++, ",$taken\n";
            $branches_found++;
            $branches_hit++ if $taken ne '-' && $taken > 0;
        }
        print "DA:$line,$count\n";
        $found++;
        $hit++ if $count > 0;
    }
    print "BRF:$branches_found\nBRH:$branches_hit\nLF:$found\nLH:$hit\nend_of_record\n";
}
