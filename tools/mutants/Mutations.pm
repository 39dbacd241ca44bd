# The mutations of a C source: every small change that this program knows to make in
# the bodies of its functions. Comments, strings, preprocessor lines, assertions and
# assembly are left alone. The text is cut into tokens, not parsed: a change that gives
# no valid C is sorted out by the compiler.
#
# The sources are formatted by clang-format, and one thing is read off that: a
# binary operator has a blank behind it, a pointer's star and a sign have not.
package Mutations;
use strict;
use warnings;

my %keyword = map { $_ => 1 } qw(
    break case continue default do else for goto if return sizeof switch while
    _Alignof _Static_assert static_assert);
my %type_word = map { $_ => 1 } qw(
    auto bool char const double enum extern float inline int long register short
    signed size_t static struct typedef union unsigned void volatile _Alignas
    _Atomic _Bool _Noreturn _Thread_local);
my %left_alone = map { $_ => 1 } qw(
    asm __asm__ assert static_assert _Static_assert);

my %relational = (
    '<' => ['<=', '>='], '<=' => ['<', '>'], '>' => ['>=', '<='],
    '>=' => ['>', '<'], '==' => ['!='], '!=' => ['==']);
my %arithmetic = (
    '+' => '-', '-' => '+', '*' => '/', '/' => '*', '%' => '*', '<<' => '>>',
    '>>' => '<<', '&' => '|', '|' => '&', '^' => '|', '+=' => '-=', '-=' => '+=',
    '*=' => '/=', '/=' => '*=', '%=' => '*=', '<<=' => '>>=', '>>=' => '<<=',
    '&=' => '|=', '|=' => '&=', '^=' => '|=', '++' => '--', '--' => '++');
my %assigns = map { $_ => 1 } qw(= += -= *= /= %= <<= >>= &= |= ^=);

# Tokens: [kind, text, offset]. Kinds: id, num, chr, str, op.
sub tokens {
    my ($text) = @_;
    my @tokens;
    pos($text) = 0;
    while (pos($text) < length $text) {
        next if $text =~ /\G(?:^[ \t]*\#(?:\\\n|[^\n])*|\s+)/gcm;
        next if $text =~ m{\G(?:/\*.*?\*/|//[^\n]*)}gcs;
        my $at = pos $text;
        my $kind =
            $text =~ /\G[A-Za-z_]\w*/gc ? 'id'
            : $text =~ /\G\.?[0-9](?:[eEpP][-+]|[\w.])*/gc ? 'num'
            : $text =~ /\G"(?:\\.|[^"\\])*"/gcs ? 'str'
            : $text =~ /\G'(?:\\.|[^'\\])*'/gcs ? 'chr'
            : $text =~ m{\G(?:<<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=)}gc ? 'op'
            : $text =~ /\G./gcs ? 'op' : last;
        push @tokens, [$kind, substr($text, $at, pos($text) - $at), $at];
    }
    return \@tokens;
}

# For each bracket the index of its partner.
sub partners {
    my ($t) = @_;
    my (@open, @partner);
    for my $i (0 .. $#$t) {
        next if $t->[$i][0] ne 'op';
        if ($t->[$i][1] =~ /^[\(\[\{]$/) {
            push @open, $i;
        } elsif ($t->[$i][1] =~ /^[\)\]\}]$/ && @open) {
            my $from = pop @open;
            $partner[$from] = $i;
            $partner[$i] = $from;
        }
    }
    return \@partner;
}

# Functions: [name, index of {, index of }].
sub functions {
    my ($t, $partner) = @_;
    my @functions;
    for (my $i = 1; $i < @$t; $i++) {
        next if $t->[$i][1] ne '{' || !defined $partner->[$i];
        if ($t->[$i - 1][1] eq ')') {
            my $name = $partner->[$i - 1] - 1;
            # An attribute behind the parameters: NAME(...) ATTRIBUTE(...) {
            $name = $partner->[$name - 1] - 1
                while $name > 1 && $t->[$name - 1][1] eq ')';
            push @functions, [$t->[$name][1], $i, $partner->[$i]];
        }
        $i = $partner->[$i];
    }
    return @functions;
}

# The tokens of a source, and what is known of them while its mutations are made.
sub new {
    my ($class, $file, $text) = @_;
    my $t = tokens($text);
    return bless {
        file => $file, text => $text, t => $t, partner => partners($t),
        found => [], seen => {}}, $class;
}

sub text { $_[0]{t}[$_[1]][1] }
sub kind { $_[0]{t}[$_[1]][0] }
sub from { $_[0]{t}[$_[1]][2] }
sub end { $_[0]{t}[$_[1]][2] + length $_[0]{t}[$_[1]][1] }

# Tokens $first..$last become $new; the lines of the file stay where they are.
sub mutate {
    my ($self, $operator, $first, $last, $new) = @_;
    my ($from, $end) = ($self->from($first), $self->end($last));
    my $old = substr $self->{text}, $from, $end - $from;
    my $lines = ($old =~ tr/\n//) - ($new =~ tr/\n//);
    $new .= "\n" x $lines if $lines > 0;
    return if $new eq $old || $self->{seen}{"$from $end $new"}++;
    push @{$self->{found}}, {
        file => $self->{file}, function => $self->{function},
        operator => $operator, from => $from, end => $end, new => $new};
}

# ---- Operands and conditions -------------------------------------------------

my %ends_operand = map { $_ => 1 } (
    '?', ':', ',', ';', '||', '{', '}', keys %assigns);

# The first token of the operand that ends before $i. With $and, "&&" ends it too.
sub operand_start {
    my ($self, $i, $and) = @_;
    for ($i--; $i >= 0; $i--) {
        my $text = $self->text($i);
        if ($text =~ /^[\)\]]$/) {
            $i = $self->{partner}[$i];
        } elsif ($ends_operand{$text} || $text =~ /^[\(\[]$/ ||
                 $text eq 'return' || ($and && $text eq '&&')) {
            last;
        }
    }
    return $i + 1;
}

sub operand_end {
    my ($self, $i, $and) = @_;
    for ($i++; $i < @{$self->{t}}; $i++) {
        my $text = $self->text($i);
        if ($text =~ /^[\(\[\{]$/) {
            $i = $self->{partner}[$i];
        } elsif ($ends_operand{$text} || $text =~ /^[\)\]]$/ ||
                 ($and && $text eq '&&')) {
            last;
        }
    }
    return $i - 1;
}

# One operand of && and || decides no more.
sub drop_operands {
    my ($self, $i) = @_;
    my $and = $self->text($i) eq '&&';
    my $constant = $and ? '1' : '0';
    $self->mutate('condition', $self->operand_start($i, $and), $i - 1, $constant);
    $self->mutate('condition', $i + 1, $self->operand_end($i, $and), $constant);
}

# A condition: tokens $first..$last.
sub force {
    my ($self, $first, $last, @values) = @_;
    return if $last < $first;
    my $limits = grep { $self->text($_) =~ /^[<>]=?$/ } $first .. $last;
    # Is what the condition guards a way out? Then it checks something.
    my $out = $self->text($last + 1) eq ')' &&
        $self->text($last + 2) =~ /^(return|goto|break|continue)$/;
    for my $value (@values) {
        $self->mutate($limits && $out && $value eq '0' ? 'bounds' : 'branch',
            $first, $last, $value);
    }
}

sub conditions {
    my ($self, $i) = @_;
    my $text = $self->text($i);
    if ($text eq '?') {
        $self->force($self->operand_start($i, 0), $i - 1, '0', '1');
        return;
    }
    my $open = $i + 1;
    return if $self->text($open) ne '(';
    my $close = $self->{partner}[$open];
    if ($text eq 'if') {
        $self->force($open + 1, $close - 1, '0', '1');
    } elsif ($text eq 'while') { # forced true it would never end
        $self->force($open + 1, $close - 1, '0');
    } elsif ($text eq 'for') {
        my @semicolons = grep { $self->text($_) eq ';' } $open .. $close;
        $self->force($semicolons[0] + 1, $semicolons[1] - 1, '0')
            if @semicolons == 2;
    }
}

# ---- Statements --------------------------------------------------------------

# Does a statement that can be dropped begin at $i? A call or an assignment, no
# declaration and no control.
sub drop_statement {
    my ($self, $i) = @_;
    my $first = $self->text($i);
    return if $keyword{$first} || $type_word{$first} || $left_alone{$first};
    return if $self->kind($i) ne 'id' && $first !~ /^(\*|\(|\+\+|--)$/;
    return if $self->kind($i + 1) eq 'id' && $self->kind($i) eq 'id';
    # "type *name": no blank behind the star.
    return if $self->kind($i) eq 'id' && $self->text($i + 1) eq '*' &&
        $self->end($i + 1) == $self->from($i + 2);
    # A call that only asserts.
    return if $first =~ /_check$/ && $self->text($i + 1) eq '(' &&
        $self->text($self->{partner}[$i + 1] + 1) eq ';';
    my $does = 0;
    my $end;
    for ($end = $i; $self->text($end) ne ';'; $end++) {
        my $text = $self->text($end);
        $does = 1 if $assigns{$text} || $text =~ /^(\+\+|--)$/ || $text eq '(';
        return if $text =~ /^[\{\}:]$/ && !$does;
        return if $text eq '}';
        $end = $self->{partner}[$end] if $text =~ /^[\(\[\{]$/;
    }
    $self->mutate('statement', $i, $end - 1, '') if $does && $end > $i;
}

# ---- Single tokens -----------------------------------------------------------

sub is_binary {
    my ($self, $i) = @_;
    return substr($self->{text}, $self->end($i), 1) =~ /\s/ &&
        substr($self->{text}, $self->from($i) - 1, 1) =~ /\s/;
}

sub constant {
    my ($self, $i) = @_;
    my $text = $self->text($i);
    if ($self->kind($i) eq 'chr') {
        $self->mutate('constant', $i, $i, "($text + 1)");
    } elsif ($self->text($i - 1) eq '{' && $self->text($i + 1) eq '}') {
        return; # {0}: no value but "all zero"
    } elsif ($text =~ /^(0x)?0+[uUlL]*$/) {
        $self->mutate('constant', $i, $i, '1');
    } elsif ($text !~ /[.]|^(?!0x).*[eE]/) {
        $self->mutate('constant', $i, $i, $text eq '1' ? '2' : "($text + 1)");
        $self->mutate('constant', $i, $i, $text eq '1' ? '0' : "($text - 1)");
    }
}

sub token {
    my ($self, $i) = @_;
    my $text = $self->text($i);
    my $kind = $self->kind($i);
    if ($kind eq 'num' || $kind eq 'chr') {
        $self->constant($i);
    } elsif ($text eq 'true' || $text eq 'false') {
        $self->mutate('constant', $i, $i, $text eq 'true' ? 'false' : 'true');
    } elsif ($text eq '-' && $self->text($i + 1) =~ /^E[A-Z0-9]+$/) {
        $self->mutate('error', $i, $i + 1, '0');
    } elsif ($text =~ /^(if|while|for|\?)$/) {
        $self->conditions($i);
    } elsif ($text eq '!') {
        $self->mutate('logical', $i, $i, '');
    } elsif ($text eq '&&' || $text eq '||') {
        $self->mutate('logical', $i, $i, $text eq '&&' ? '||' : '&&');
        $self->drop_operands($i);
    } elsif ($relational{$text} && $self->is_binary($i)) {
        $self->mutate('relational', $i, $i, $_) for @{$relational{$text}};
    } elsif ($arithmetic{$text} &&
             ($text =~ /^(\+\+|--)$/ || $self->is_binary($i))) {
        $self->mutate('arithmetic', $i, $i, $arithmetic{$text});
    }
}

sub function {
    my ($self, $name, $first, $last) = @_;
    $self->{function} = $name;
    my $starts = 1; # may a statement begin here?
    my %header_end; # the ) of an if, while, for, switch
    for (my $i = $first + 1; $i < $last; $i++) {
        my $text = $self->text($i);
        if ($left_alone{$text}) {
            $i++ while $i < $last && $self->text($i) ne '(';
            $i = $self->{partner}[$i];
            $starts = 0;
            next;
        }
        $self->drop_statement($i) if $starts;
        $header_end{$self->{partner}[$i + 1]} = 1
            if $text =~ /^(if|while|for|switch)$/ && $self->text($i + 1) eq '(';
        $self->token($i);
        $starts = $text =~ /^([;\{\}:]|else|do)$/ || $header_end{$i};
        # No statement begins inside of parentheses.
        if ($text eq '(') {
            $self->token($_) for $self->inside($i);
            my $close = $self->{partner}[$i];
            $starts = $header_end{$close};
            $i = $close;
        }
    }
}

# The tokens between a bracket and its partner, less what is left alone.
sub inside {
    my ($self, $open) = @_;
    my @inside;
    for (my $i = $open + 1; $i < $self->{partner}[$open]; $i++) {
        if ($left_alone{$self->text($i)} && $self->text($i + 1) eq '(') {
            $i = $self->{partner}[$i + 1];
        } else {
            push @inside, $i;
        }
    }
    return @inside;
}

# ---- A whole file ------------------------------------------------------------

# A function that states invariants: its mutants weaken assertions only; or one that has
# memory fetched before it is used: that is no behaviour.
sub says_nothing {
    my ($self, $name, $first, $last) = @_;
    my $needed = $name =~ /_check$/ ? 'assert'
        : $name =~ /_prefetch$/ ? '__builtin_prefetch' : return 0;
    return grep { $self->text($_) eq $needed } $first .. $last;
}

sub squeeze {
    my ($text) = @_;
    $text =~ s/\s+/ /g;
    $text =~ s/^ | $//g;
    return $text;
}

# 32 bits of a name, as eight hex digits (FNV-1a).
sub hash {
    my $hash = 0x811c9dc5;
    for my $byte (unpack 'C*', join "\n", @_) {
        $hash = (($hash ^ $byte) * 0x01000193) & 0xffffffff;
    }
    return sprintf '%08x', $hash;
}

# The mutations of a file in the order of their places: hashes with file, function,
# operator, from, end, new; line and last (numbers), before and after (the lines with
# and without it, blanks squeezed), and id, which is made of texts and stays the same
# when lines are added elsewhere.
sub of_file {
    my ($file, $text) = @_;
    my $self = Mutations->new($file, $text);
    for my $function (functions($self->{t}, $self->{partner})) {
        $self->function(@$function) unless $self->says_nothing(@$function);
    }
    my %times;
    my @found = sort { $a->{from} <=> $b->{from} || $a->{end} <=> $b->{end} }
        @{$self->{found}};
    for my $one (@found) {
        my $start = rindex($text, "\n", $one->{from} - 1) + 1;
        my $end = index $text, "\n", $one->{end};
        my $before = substr $text, $start, $end - $start;
        my $after = $before;
        substr($after, $one->{from} - $start, $one->{end} - $one->{from}) = $one->{new};
        $one->{line} = 1 + (substr($text, 0, $one->{from}) =~ tr/\n//);
        $one->{last} = $one->{line} + (substr($text, $one->{from},
            $one->{end} - $one->{from}) =~ tr/\n//);
        $one->{before} = squeeze($before);
        $one->{after} = squeeze($after);
        my @name = ($file, $one->{function}, $one->{before}, $one->{after});
        $one->{id} = hash(@name, $times{"@name"}++);
    }
    return @found;
}

sub apply {
    my ($text, $one) = @_;
    substr($text, $one->{from}, $one->{end} - $one->{from}) = $one->{new};
    return $text;
}

1;
