# A flame graph as SVG: calls upwards, width for instructions, colour for the room.
package Flame;
use strict;
use warnings;
no warnings 'recursion';

my ($WIDTH, $HEIGHT, $MARGIN, $LETTER) = (1200, 17, 10, 6.7);
my $NARROWEST = 0.3; # what is narrower is left out

# Pale, and far from those before: each turns by the golden angle.
sub colour_of {
    my ($number) = @_;
    my $hue = ($number * 137.508 + 30) % 360 / 60;
    my $light = (0.78, 0.68, 0.86)[$number % 3];
    my $chroma = 0.65 * (1 - abs(2 * $light - 1));
    my $second = $chroma * (1 - abs($hue - 2 * int($hue / 2) - 1));
    my @parts = ([$chroma, $second, 0], [$second, $chroma, 0], [0, $chroma, $second],
        [0, $second, $chroma], [$second, 0, $chroma], [$chroma, 0, $second]);
    return sprintf '#%02x%02x%02x', map { 255 * ($_ + $light - $chroma / 2) }
        @{$parts[int $hue]};
}

sub escape {
    my ($text) = @_;
    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;');
    $text =~ s/([&<>"])/$entity{$1}/g;
    return $text;
}

sub children {
    my ($frame) = @_;
    return map { $frame->{children}{$_} } sort keys %{$frame->{children}};
}

# Adds to each frame what it and all above it took.
sub add_up {
    my ($frame) = @_;
    $frame->{all} = $frame->{own};
    for my $child (children($frame)) {
        add_up($child);
        $frame->{all} += $child->{all};
    }
}

# Calls $draw->(FRAME, LEFT, LEVEL) for each that is wide enough; returns the highest
# level.
sub walk {
    my ($frame, $left, $level, $scale, $draw) = @_;
    return $level - 1 if $frame->{all} * $scale < $NARROWEST;
    my $highest = $level;
    $draw->($frame, $left, $level);
    for my $child (children($frame)) {
        my $high = walk($child, $left, $level + 1, $scale, $draw);
        $highest = $high if $high > $highest;
        $left += $child->{all} * $scale;
    }
    return $highest;
}

sub text_of {
    my ($name, $width) = @_;
    my $letters = int(($width - 4) / $LETTER);
    return $name if length $name <= $letters;
    return $letters < 4 ? '' : substr($name, 0, $letters - 2) . '..';
}

# write_svg(FILE, TITLE, FRAME): a frame has name, room, own (instructions) and
# children, a hash of frames.
sub write_svg {
    my ($file, $title, $all) = @_;
    add_up($all);
    my $scale = ($WIDTH - 2 * $MARGIN) / $all->{all};
    my (%colour, %room_sum);
    my $highest = walk($all, $MARGIN, 0, $scale, sub {
        my ($frame) = @_;
        $room_sum{$frame->{room}} += $frame->{own};
    });
    delete $room_sum{''};
    my @rooms = sort { $room_sum{$b} <=> $room_sum{$a} || $a cmp $b } keys %room_sum;
    $colour{$rooms[$_]} = colour_of($_) for 0 .. $#rooms;
    $colour{''} = '#dddddd';
    my $legend = int((@rooms + 3) / 4) * $HEIGHT;
    my $bottom = 40 + ($highest + 1) * $HEIGHT;
    open my $out, '>', $file or die "$file: $!\n";
    printf $out qq{<?xml version="1.0" encoding="UTF-8"?>\n<svg version="1.1" } .
        qq{xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" } .
        qq{viewBox="0 0 %d %d" font-family="monospace" font-size="11">\n},
        $WIDTH, $bottom + $legend + 20, $WIDTH, $bottom + $legend + 20;
    printf $out qq{<rect width="100%%" height="100%%" fill="#ffffff"/>\n} .
        qq{<text x="%d" y="22" font-size="14">%s: %.1f instructions</text>\n},
        $MARGIN, escape($title), $all->{all};
    walk($all, $MARGIN, 0, $scale, sub {
        my ($frame, $left, $level) = @_;
        my $width = $frame->{all} * $scale;
        my $top = $bottom - ($level + 1) * $HEIGHT;
        printf $out qq{<g><title>%s%s: %.1f instructions, %.1f%%, itself %.1f</title>} .
            qq{<rect x="%.2f" y="%d" width="%.2f" height="%d" fill="%s" } .
            qq{stroke="#ffffff" stroke-width="0.4"/>},
            escape($frame->{name}), $frame->{room} eq '' ? '' : escape(" ($frame->{room})"),
            $frame->{all}, 100 * $frame->{all} / $all->{all}, $frame->{own},
            $left, $top, $width, $HEIGHT - 1, $colour{$frame->{room}};
        my $text = text_of($frame->{name}, $width);
        printf $out qq{<text x="%.2f" y="%d">%s</text>}, $left + 2, $top + 12,
            escape($text) if $text ne '';
        print $out "</g>\n";
    });
    for my $i (0 .. $#rooms) {
        my ($x, $y) = ($MARGIN + $i % 4 * 290, $bottom + 10 + int($i / 4) * $HEIGHT);
        printf $out qq{<rect x="%d" y="%d" width="12" height="12" fill="%s"/>} .
            qq{<text x="%d" y="%d">%s %.1f%%</text>\n}, $x, $y, $colour{$rooms[$i]},
            $x + 17, $y + 10, escape($rooms[$i]),
            100 * $room_sum{$rooms[$i]} / $all->{all};
    }
    print $out "</svg>\n";
    close $out or die "$file: $!\n";
}

1;
