#!/usr/bin/perl
# What tools/profile/plugin.c counted, for people: docs/profile.md.
#
#   report.pl --functions IMAGE
#       where each function of an image begins: lines "ADDRESS ROOM FILE NAME"
#   report.pl --profile PREFIX --requests N [--title TEXT] [--top N]
#       PREFIX.counts and PREFIX.functions as a table; writes PREFIX.csv, PREFIX.stacks
#       and PREFIX.svg
#   report.pl --profile PREFIX --requests N --function NAME --image IMAGE
#       who calls a function, and what each of its lines executes
#   report.pl --diff OLD.csv NEW.csv [--top N]
#       what has changed from one to the other
#
# A room is a folder of layers.txt. Figures are for one request. Run it at the root of
# the tree.
use strict;
use warnings;
no warnings 'recursion';
use File::Basename qw(dirname);
use Getopt::Long qw(GetOptions);
use lib dirname(__FILE__);
use Flame;

# What is below these, called by whomever, is idle: to fall asleep, and to wake up.
my %idle = map { $_ => 1 } qw(idle_sleep hal_cpu_idle);
my $IDLE = '(idle)';

# ---- Functions and rooms ---------------------------------------------------------

# The folders of layers.txt, those with the longest names first.
sub read_rooms {
    open my $in, '<', 'layers.txt' or die "layers.txt: $!\n";
    my @rooms = map { /^([\w\/]+)/ ? $1 : () } <$in>;
    return sort { length $b <=> length $a } @rooms;
}

sub room_of {
    my ($file, $rooms) = @_;
    for my $room (@$rooms) {
        return $room if index($file, "$room/") == 0;
    }
    return dirname($file);
}

# The path of a source below the root of the tree, or what addr2line said.
sub relative {
    my ($path, $root) = @_;
    $path =~ s/:.*//s;
    $path =~ s{^\Q$root\E/}{};
    $path =~ s{^\./}{};
    $path =~ s{^.*?/((?:apps|drivers|fs|hal|include|kernel|net|tests)/)}{$1}
        if $path =~ m{^/};
    return $path;
}

# [address, name] of each function, in order; a global name before a local one.
sub symbols {
    my ($image) = @_;
    my %at;
    for (`nm -n $image`) {
        my ($address, $type, $name) = /^0*([0-9a-f]+) ([tTwW]) (\S+)$/ or next;
        $at{$address} = $name if !exists $at{$address} || $type eq 'T';
    }
    die "$image: no functions\n" if !%at;
    return map { [$_, $at{$_}] } sort { hex $a <=> hex $b } keys %at;
}

sub end_of_text {
    my ($image) = @_;
    my $end = 0;
    for (`readelf -lW $image`) {
        my ($address, $size) =
            /^ +LOAD +\S+ +(0x\S+) +\S+ +\S+ +(0x\S+) +R.E/ or next;
        $end = hex($address) + hex($size) if hex($address) + hex($size) > $end;
    }
    return $end;
}

sub print_functions {
    my ($image) = @_;
    my @functions = symbols($image);
    my $root = `pwd -P`;
    chomp $root;
    my @rooms = read_rooms();
    my @places = `addr2line -e $image @{[map { $_->[0] } @functions]}`;
    die "$image: addr2line failed\n" if @places != @functions;
    my $end = end_of_text($image);
    for my $i (0 .. $#functions) {
        my ($address, $name) = @{$functions[$i]};
        last if hex $address >= $end;
        my $file = relative($places[$i], $root);
        my $room = $file =~ /^\?/ ? '(unknown)' : room_of($file, \@rooms);
        print "$address $room ", $room eq '(unknown)' ? '-' : $file, " $name\n";
    }
    printf "%x - - -\n", $end;
}

# ---- The counts ---------------------------------------------------------------------

# By address, and what the plugin has its own names for.
sub read_functions {
    my ($name) = @_;
    my %functions = (
        elsewhere => {name => '(elsewhere)', room => '(unknown)', file => '-'},
        interrupt => {name => 'interrupt', room => '(unknown)', file => '-'},
    );
    open my $in, '<', $name or die "$name: $!\n";
    while (<$in>) {
        my ($address, $room, $file, $function) = split;
        $functions{$address} = {name => $function, room => $room, file => $file};
    }
    return \%functions;
}

# The tree, by the number of the node. It must hold all that was counted.
sub read_counts {
    my ($name, $functions) = @_;
    my %counts = (total => 0, steps => 0, unexplained => 0, nodes => {}, blocks => []);
    my ($sum, $sum_steps) = (0, 0);
    open my $in, '<', $name or die "$name: $!\n";
    while (<$in>) {
        my ($what, @words) = split;
        if ($what eq 'total') {
            $counts{total} += $words[1];
            $counts{steps} += $words[2];
        } elsif ($what eq 'unexplained') {
            $counts{unexplained} = $words[0];
        } elsif ($what eq 'block') {
            push @{$counts{blocks}}, [@words];
        } elsif ($what eq 'node') {
            my ($id, $parent, $function, $calls, $instructions, $steps) = @words;
            $counts{nodes}{$id} = {
                id => $id, parent => $parent, calls => $calls,
                own => $instructions, steps => $steps,
                function => $functions->{$function} || {name => $function,
                    room => '(unknown)', file => '-'},
            };
            $sum += $instructions;
            $sum_steps += $steps;
        }
    }
    die "$name: nothing was counted\n" if $counts{total} == 0;
    die "$name: the rows hold $sum instructions, but $counts{total} were executed\n"
        if $sum != $counts{total} || $sum_steps != $counts{steps};
    return \%counts;
}

# The frames of the flame graph, idle ones as one; and each node's frame.
sub frames {
    my ($counts, $requests) = @_;
    my $all = {name => 'all', room => '', own => 0, children => {}};
    my %frame = (0 => $all);
    for my $id (sort { $a <=> $b } grep { $_ != 0 } keys %{$counts->{nodes}}) {
        my $node = $counts->{nodes}{$id};
        my $function = $node->{function};
        my $above = $frame{$node->{parent}};
        die "node $id has no parent\n" if !defined $above;
        my $is_idle = $above->{is_idle} || $idle{$function->{name}};
        my $name = $is_idle ? $IDLE : $function->{name};
        my $frame = $above;
        if (!$above->{is_idle}) {
            my $key = $is_idle ? $IDLE : "$function->{file} $name";
            $frame = $above->{children}{$key} ||= {
                name => $name, room => $is_idle ? $IDLE : $function->{room},
                own => 0, children => {}, is_idle => $is_idle};
        }
        $frame->{own} += $node->{own} / $requests;
        $frame{$id} = $frame;
    }
    $all->{own} += ($counts->{nodes}{0}{own} || 0) / $requests;
    return ($all, \%frame);
}

# Rows by function: what it did itself, for one request.
sub rows {
    my ($counts, $frame, $requests) = @_;
    my %rows;
    for my $node (values %{$counts->{nodes}}) {
        my $function = $node->{function};
        my ($room, $file, $name) = @{$function}{qw(room file name)};
        ($room, $file, $name) = ($IDLE, '-', $IDLE) if $frame->{$node->{id}}{is_idle};
        my $row = $rows{"$file $name"} ||= {room => $room, file => $file,
            name => $name, calls => 0, instructions => 0, steps => 0};
        $row->{calls} += $node->{calls} / $requests # only from outside
            if $room ne $IDLE || !$frame->{$node->{parent}}{is_idle};
        $row->{instructions} += $node->{own} / $requests;
        $row->{steps} += $node->{steps} / $requests;
    }
    return grep { $_->{instructions} > 0 || $_->{calls} > 0 } values %rows;
}

# ---- Output --------------------------------------------------------------------------

sub by_instructions {
    return sort { $b->{instructions} <=> $a->{instructions} ||
        "$a->{room} $a->{name}" cmp "$b->{room} $b->{name}" } @_;
}

sub rooms_of_rows {
    my %rooms;
    for my $row (@_) {
        my $room = $rooms{$row->{room}} ||= {room => $row->{room}, name => '',
            calls => 0, instructions => 0, steps => 0};
        $room->{$_} += $row->{$_} for qw(instructions steps);
    }
    return by_instructions(values %rooms);
}

sub sum {
    my ($what, @rows) = @_;
    my $sum = 0;
    $sum += $_->{$what} for @rows;
    return $sum;
}

sub print_table {
    my ($title, $top, $counts, $requests, @rows) = @_;
    my $total = sum('instructions', @rows);
    my ($sleep) = grep { $_->{room} eq $IDLE } @rows;
    my $busy = $total - ($sleep ? $sleep->{instructions} : 0);
    print "$title\n";
    printf "%.1f instructions for each of %d, and %.1f idle\n\n", $busy, $requests,
        $total - $busy;
    printf "%-24s %12s %7s %12s\n", 'room', 'instructions', 'share', 'string steps';
    for my $room (rooms_of_rows(@rows)) {
        printf "%-24s %12.1f %6.1f%% %12.1f\n", $room->{room}, $room->{instructions},
            100 * $room->{instructions} / $total, $room->{steps};
    }
    printf "%-24s %12.1f %6.1f%% %12.1f\n\n", 'sum', $total, 100, sum('steps', @rows);
    printf "%-30s %-24s %8s %12s %7s %12s\n", 'function', 'room', 'calls',
        'instructions', 'share', 'string steps';
    my @sorted = by_instructions(@rows);
    my @shown = splice @sorted, 0, $top;
    for my $row (@shown) {
        printf "%-30s %-24s %8.1f %12.1f %6.1f%% %12.1f\n", @{$row}{qw(name room calls
            instructions)}, 100 * $row->{instructions} / $total, $row->{steps};
    }
    printf "%-30s %-24s %8s %12.1f %6.1f%% %12.1f\n", sprintf('%d others', scalar @sorted),
        '', '', sum('instructions', @sorted), 100 * sum('instructions', @sorted) / $total,
        sum('steps', @sorted) if @sorted;
    printf "%-30s %-24s %8s %12.1f %6.1f%% %12.1f\n", 'sum', '', '', $total, 100,
        sum('steps', @rows);
    my $sum = $total * $requests;
    die "the table's sum is $sum, but $counts->{total} were counted\n"
        if abs($sum - $counts->{total}) > 0.5;
}

sub write_csv {
    my ($name, @rows) = @_;
    open my $out, '>', $name or die "$name: $!\n";
    print $out "room,function,file,calls,instructions,steps\n";
    for my $row (by_instructions(@rows)) {
        printf $out "%s,%s,%s,%.4f,%.4f,%.4f\n",
            @{$row}{qw(room name file calls instructions steps)};
    }
    printf $out ",total,,,%.4f,%.4f\n", sum('instructions', @rows), sum('steps', @rows);
    close $out or die "$name: $!\n";
}

# "FUNCTION;FUNCTION;... INSTRUCTIONS", from the bottom of the stack on.
sub write_stacks {
    my ($name, $all) = @_;
    open my $out, '>', $name or die "$name: $!\n";
    my $put;
    $put = sub {
        my ($frame, $path) = @_;
        printf $out "%s %.4f\n", $path, $frame->{own} if $frame->{own} > 0;
        $put->($frame->{children}{$_}, $path eq '' ? $frame->{children}{$_}{name}
            : "$path;$frame->{children}{$_}{name}") for sort keys %{$frame->{children}};
    };
    $put->($all, '');
    close $out or die "$name: $!\n";
}

sub print_callers {
    my ($name, $counts, $requests) = @_;
    my %callers;
    for my $node (values %{$counts->{nodes}}) {
        next if $node->{id} == 0 || $node->{function}{name} ne $name ||
            $node->{own} + $node->{calls} == 0;
        my $above = $counts->{nodes}{$node->{parent}}{function};
        my $caller = $callers{"$above->{file} $above->{name}"} ||= {room => $above->{room},
            name => $above->{name}, calls => 0, instructions => 0, steps => 0};
        $caller->{calls} += $node->{calls} / $requests;
        $caller->{instructions} += $node->{own} / $requests;
        $caller->{steps} += $node->{steps} / $requests;
    }
    die "no $name was executed\n" if !%callers;
    printf "%-30s %-24s %8s %12s %12s\n", "caller of $name", 'room', 'calls',
        'instructions', 'string steps';
    printf "%-30s %-24s %8.1f %12.1f %12.1f\n", @{$_}{qw(name room calls instructions
        steps)} for by_instructions(values %callers);
}

# By address: how often the instruction was executed. All are of the image.
sub instructions {
    my ($image, $counts) = @_;
    my @addresses = map { /^ *([0-9a-f]+):/ ? hex $1 : () } `objdump -d --no-show-raw-insn $image`;
    my %number = map { $addresses[$_] => $_ } 0 .. $#addresses;
    my %ran;
    for my $block (@{$counts->{blocks}}) {
        my $first = $number{hex $block->[0]};
        next if !defined $first;
        $ran{$addresses[$first + $_]} += $block->[2] for 0 .. $block->[1] - 1;
    }
    return %ran;
}

# The addresses at which a function of this name begins, and where it ends.
sub ranges {
    my ($name, $functions) = @_;
    my @begins = sort { $a <=> $b } map { /^[0-9a-f]+$/ ? hex $_ : () } keys %$functions;
    return map { $functions->{sprintf '%x', $begins[$_]}{name} eq $name
        ? [$begins[$_], $begins[$_ + 1]] : () } 0 .. $#begins - 1;
}

# A line that the compiler took from another function is that of the other.
sub print_lines {
    my ($name, $image, $functions, $counts, $requests) = @_;
    my %ran = instructions($image, $counts);
    my @ranges = ranges($name, $functions);
    my @addresses = grep { my $at = $_; grep { $_->[0] <= $at && $at < $_->[1] } @ranges }
        sort { $a <=> $b } keys %ran;
    die "no $name was executed\n" if !@addresses;
    my $root = `pwd -P`;
    chomp $root;
    my @places = `addr2line -e $image @{[map { sprintf '%x', $_ } @addresses]}`;
    my %lines;
    for my $i (0 .. $#addresses) {
        my ($line) = $places[$i] =~ /:(\d+)/;
        $lines{relative($places[$i], $root)}{$line || 0} += $ran{$addresses[$i]} / $requests;
    }
    for my $file (sort keys %lines) {
        my @text = -f $file ? `cat '$file'` : ();
        print "$file\n";
        printf "%12.1f %5d  %s\n", $lines{$file}{$_}, $_, ($text[$_ - 1] // '') =~ s/\s+$//r
            for sort { $a <=> $b } keys %{$lines{$file}};
    }
    printf "%12.1f        %s\n", sum('own', map { {own => $ran{$_} / $requests} } @addresses),
        'sum';
}

# ---- The difference -----------------------------------------------------------------

sub read_csv {
    my ($name) = @_;
    my %rows;
    open my $in, '<', $name or die "$name: $!\n";
    <$in>;
    while (<$in>) {
        chomp;
        my ($room, $function, $file, $calls, $instructions) = split /,/;
        die "$name: line $. is no row of a profile\n" if !defined $instructions;
        next if $function eq 'total';
        $rows{"$file $function"} = {room => $room, name => $function,
            calls => $calls, instructions => $instructions, steps => 0};
    }
    return \%rows;
}

sub print_change {
    my ($width, $name, $old, $new) = @_;
    my $change = $new - $old;
    $change = 0 if abs($change) < 0.05; # sums differ by their order
    printf "%-${width}s %12.1f %12.1f %+12.1f %s\n", $name, $old, $new, $change,
        $old > 0 ? sprintf('%+7.1f%%', 100 * $change / $old) : '     new';
}

sub print_diff {
    my ($old, $new, $top) = @_;
    my (%change, %rooms);
    for my $key (keys %{{%$old, %$new}}) {
        my $row = $new->{$key} || $old->{$key};
        my $was = $old->{$key} ? $old->{$key}{instructions} : 0;
        my $is = $new->{$key} ? $new->{$key}{instructions} : 0;
        $change{$key} = {name => "$row->{name} ($row->{room})", old => $was, new => $is};
        $rooms{$row->{room}}{name} = $row->{room};
        $rooms{$row->{room}}{old} += $was;
        $rooms{$row->{room}}{new} += $is;
    }
    my $sort = sub {
        return sort { abs($b->{new} - $b->{old}) <=> abs($a->{new} - $a->{old}) ||
            $a->{name} cmp $b->{name} } @_;
    };
    printf "%-24s %12s %12s %12s\n", 'room', 'old', 'new', 'change';
    print_change(24, @{$_}{qw(name old new)}) for $sort->(values %rooms);
    print_change(24, 'sum', sum('instructions', values %$old),
        sum('instructions', values %$new));
    printf "\n%-54s %12s %12s %12s\n", 'function', 'old', 'new', 'change';
    my @changed = grep { abs($_->{new} - $_->{old}) >= 0.05 } $sort->(values %change);
    print_change(54, @{$_}{qw(name old new)}) for splice @changed, 0, $top;
    printf "%d others changed\n", scalar @changed if @changed;
}

# ---- Main -----------------------------------------------------------------------------

my %is = (title => 'profile', top => 25);
GetOptions(\%is, 'functions=s', 'profile=s', 'requests=i', 'title=s', 'top=i', 'function=s',
    'image=s', 'diff') or exit 2;
if ($is{functions}) {
    print_functions($is{functions});
} elsif ($is{diff}) {
    die "report.pl --diff OLD.csv NEW.csv\n" if @ARGV != 2;
    print_diff(read_csv($ARGV[0]), read_csv($ARGV[1]), $is{top});
} else {
    my ($profile, $requests) = @is{qw(profile requests)};
    die "report.pl: --profile PREFIX and --requests N are needed\n"
        if !$profile || !$requests || $requests < 1;
    my $functions = read_functions("$profile.functions");
    my $counts = read_counts("$profile.counts", $functions);
    if ($is{function}) {
        die "report.pl: --image is needed\n" if !$is{image};
        print_callers($is{function}, $counts, $requests);
        print "\n";
        print_lines($is{function}, $is{image}, $functions, $counts, $requests);
        exit 0;
    }
    my ($all, $frame) = frames($counts, $requests);
    my @rows = rows($counts, $frame, $requests);
    print_table($is{title}, $is{top}, $counts, $requests, @rows);
    write_csv("$profile.csv", @rows);
    write_stacks("$profile.stacks", $all);
    Flame::write_svg("$profile.svg", $is{title}, $all);
}
