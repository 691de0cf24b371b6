package dev.causal4j.chat;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.Lexer.Blanks;
import dev.causal4j.chat.Lexer.Kind;
import dev.causal4j.chat.Lexer.Token;
import dev.causal4j.chat.Node.Call;
import dev.causal4j.chat.Node.Spread;
import dev.causal4j.chat.Value.Tuple;
import dev.causal4j.chat.Value.Undefined;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/** Parses a template into a node. For one source; not thread-safe. */
final class Parser {
    // By strength, weakest first. "not" binds as strongly as comparisons, a sign as an item.
    private static final List<String> OPERATORS =
            List.of(" if ; or ; and ; == != < <= > >= in not-in ; + - ; ~ ; * / // % ; ** ; | is ; . [ ( ".split(";"));
    private static final int ANY = 0;
    private static final int OR = 1;
    private static final int COMPARISON = 3;
    private static final int ITEM = 9;

    private static final Node NONE = unused -> Rendering.NONE;
    private static final Map<String, Object> CONSTANTS = Map.of(
            "true", true, "True", true, "false", false, "False", false, "none", Rendering.NONE, "None", Rendering.NONE);

    private static final int MAX_DEPTH = 100;

    // Python refuses to read longer numbers, too.
    private static final int MAX_DIGITS = 4300;

    private final String template;
    private final List<Token> tokens;
    private int at;
    private int depth;
    private int loops;

    /** Whether the template has a generation block. */
    boolean marksGeneration;

    Parser(String template, String source, Blanks blanks) {
        this.template = template;
        tokens = new Lexer(template, source, blanks).tokens();
    }

    Node parse() {
        return closed(block(), Lexer.END);
    }

    /** A literal of Python, as in its ast.literal_eval, that is an output alone. */
    Object literalAlone() {
        check(take("{{") && !is("}}"), "a literal");
        return closed(items("{{"), Lexer.END);
    }

    private Object literal() {
        String open = peek().word();
        if (List.of("[", "{", "(").contains(open)) {
            at++;
            return nested(() -> items(open));
        }
        boolean negative = take("-");
        String text = peek().text();
        Object value = switch (peek().kind()) {
            case NUMBER -> number((negative ? "-" : "") + text.replace("_", ""));
            case STRING -> negative ? null : text;
            default -> negative || !"True False None".contains(text) ? null : CONSTANTS.get(text);
        };
        check(value != null, "a literal of Python");
        at++;
        return Objects.requireNonNull(value);
    }

    /** A list, tuple or dict after its opening bracket, or a tuple without one. */
    private Object items(String open) {
        Map<Object, Object> map = new LinkedHashMap<>();
        List<Object> list = new ArrayList<>();
        separated(open.equals("[") ? "]" : open.equals("(") ? ")" : open.replace('{', '}'), () -> {
            list.add(literal());
            if (open.equals("{")) {
                check(take(":"), ":");
                map.put(list.getLast(), literal());
            }
        });
        boolean one = !open.equals("[")
                && list.size() == 1
                && !tokens.get(at - 2).word().equals(",");
        return open.equals("{") ? map : one ? list.getFirst() : list;
    }

    private Token peek() {
        return tokens.get(at);
    }

    private boolean is(String word) {
        return peek().word().equals(word);
    }

    private boolean take(String word) {
        boolean is = is(word);
        at += is ? 1 : 0;
        return is;
    }

    private void check(boolean right, String expected) {
        if (!right) {
            throw wrong(expected);
        }
    }

    private TemplateException wrong(String expected) {
        String place = template + ", line " + peek().line();
        return new TemplateException(place, expected, quote(peek().text()), "correct the template");
    }

    /** Returns what was just parsed if {@code end} follows. */
    private <T> T closed(T parsed, String end) {
        check(take(end), end);
        return parsed;
    }

    private String name() {
        check(peek().kind() == Kind.NAME, "a name");
        return tokens.get(at++).text();
    }

    private <T> T nested(Supplier<T> part) {
        check(++depth <= MAX_DEPTH, "at most " + MAX_DEPTH + " levels of blocks and expressions");
        T parsed = part.get();
        depth--;
        return parsed;
    }

    /** Statements up to the tag of one of these names. Its opening is then taken, and its name is next. */
    private Node block(String... ends) {
        List<Node> statements = new ArrayList<>();
        while (!is(Lexer.END)) {
            int line = peek().line();
            boolean tag = !take("{{");
            at += tag ? 1 : 0;
            if (tag && List.of(ends).contains(peek().word())) {
                break;
            }
            Node statement = tag ? nested(this::statement) : output(closed(tuple(), "}}"));
            statements.add(x -> x.at(line, statement));
        }
        return x -> x.runAll(statements);
    }

    private static Node output(Node shown) {
        return x -> x.write(x.eval(shown));
    }

    private Node statement() {
        String tag = name();
        return switch (tag) {
            case "if" -> conditional();
            case "for" -> loop();
            case "set" -> assignment();
            case "macro" -> {
                String name = name();
                Node macro = macro(name, parameters(), tag);
                yield x -> x.assign(List.of(name), "", x.eval(macro));
            }
            case "call" -> call();
            case "filter" -> {
                UnaryOperator<Node> filters = filters();
                yield output(filters.apply(written(tag)));
            }
            case "generation" -> {
                marksGeneration = true;
                Node body = body(tag);
                yield x -> x.generation(body);
            }
            case "break", "continue" -> {
                check(loops > 0, "a loop around " + tag);
                yield closed(x -> x.jump = tag, "%}");
            }
            default -> throw wrong("a tag of chat templates before it, not " + tag);
        };
    }

    /** The end of a tag, statements, and the tag that ends them. */
    private Node body(String tag) {
        closed(tag, "%}");
        return closed(closed(block("end" + tag), "end" + tag), "%}");
    }

    private Node conditional() {
        Node condition = closed(tuple(), "%}");
        Node then = block("elif", "else", "endif");
        return conditional(condition, then, take("elif") ? nested(this::conditional) : otherwise("if"));
    }

    private static Node conditional(Node condition, Node then, Node otherwise) {
        return x -> x.eval(Rendering.truth(x.eval(condition)) ? then : otherwise);
    }

    private Node otherwise(String tag) {
        return take("else") ? body(tag) : closed(closed(NONE, "end" + tag), "%}");
    }

    private Node loop() {
        List<String> names = names();
        closed(names, "in");
        Node over = expression(OR); // an "if" after it is the filter's
        Node filter = closed(take("if") ? expression(ANY) : unused -> true, "%}");
        loops++;
        Node body = block("else", "endfor");
        loops--;
        Node otherwise = otherwise("for");
        return x -> x.loop(names, over, filter, body, otherwise);
    }

    private List<String> names() {
        List<String> names = new ArrayList<>();
        boolean bracket = take("(");
        do {
            names.add(name());
        } while (take(","));
        return bracket ? closed(names, ")") : names;
    }

    private Node assignment() {
        List<String> names = names();
        String attribute = take(".") ? name() : "";
        boolean block = !take("=");
        UnaryOperator<Node> filters = block && take("|") ? filters() : node -> node;
        Node value = block ? filters.apply(written("set")) : closed(tuple(), "%}");
        return x -> x.assign(names, attribute, x.eval(value));
    }

    private Node call() {
        Map<String, Node> parameters = is("(") ? parameters() : Map.of();
        Node callee = expression(ANY);
        check(callee instanceof Call, "a call before it");
        Call call = (Call) callee;
        call.named().put("caller", macro("caller", parameters, "call"));
        return output(call);
    }

    private Node macro(String name, Map<String, Node> parameters, String tag) {
        Node body = body(tag);
        return x -> x.function(name, parameters, body);
    }

    /** The text that the body of a tag writes, as a value. */
    private Node written(String tag) {
        Node body = body(tag);
        return x -> x.written(body);
    }

    /** Names and defaults, in order. */
    private Map<String, Node> parameters() {
        Map<String, Node> parameters = new LinkedHashMap<>();
        check(take("("), "(");
        separated(")", () -> {
            String name = name();
            parameters.put(name, take("=") ? expression(ANY) : unused -> new Undefined(name));
        });
        return parameters;
    }

    /** An expression, or a tuple of several with commas between them. */
    private Node tuple() {
        List<Node> items = new ArrayList<>(List.of(expression(ANY)));
        boolean one = !is(",");
        while (take(",") && !is(")") && !is("}}") && !is("%}")) {
            items.add(expression(ANY));
        }
        return one ? items.getFirst() : x -> x.made(new Tuple(x.all(items)));
    }

    /** An expression of operators of at least this strength. */
    private Node expression(int weakest) {
        return nested(() -> {
            Node all = operand();
            for (int strength = strength(); strength >= weakest; strength = strength()) {
                all = continued(all, strength);
            }
            return all;
        });
    }

    private String operator() {
        return is("not") && tokens.get(at + 1).word().equals("in") ? "not-in" : peek().word();
    }

    /** The strength of the next operator; -1 if there is none. */
    private int strength() {
        String operator = ' ' + operator() + ' ';
        int strength = OPERATORS.size() - 1;
        while (strength >= 0 && !OPERATORS.get(strength).contains(operator)) {
            strength--;
        }
        return strength;
    }

    private Node continued(Node left, int strength) {
        String operator = operator();
        at += operator.equals("not-in") ? 2 : 1;
        return switch (operator) {
            case "if" -> {
                Node condition = expression(OR);
                Undefined none = new Undefined("value of a condition without else");
                Node missing = unused -> none;
                yield conditional(condition, left, take("else") ? expression(ANY) : missing);
            }
            case "or", "and" -> logical(left, strength == OR, expression(strength + 1));
            case "|" -> filters().apply(left);
            case "is" -> test(left);
            case "." -> {
                boolean index = peek().kind() == Kind.NUMBER;
                String name = index ? "" : name();
                yield index ? item(left, operand()) : x -> x.attribute(x.eval(left), name);
            }
            case "[" -> subscript(left);
            case "(" -> arguments(left, true);
            default -> {
                Node right = expression(strength + 1);
                Node applied = applied(left, operator, right);
                boolean chained = strength == COMPARISON && strength() == COMPARISON;
                yield !chained // a < b < c is a < b and b < c
                        ? applied
                        : logical(applied, false, nested(() -> continued(right, strength)));
            }
        };
    }

    private static Node logical(Node left, boolean or, Node right) {
        return x -> {
            Object first = x.eval(left);
            return Rendering.truth(first) == or ? first : x.eval(right);
        };
    }

    private static Node applied(Node left, String operator, Node right) {
        return x -> x.made(Operators.apply(x, operator, x.eval(left), x.eval(right)));
    }

    private Node operand() {
        Token token = tokens.get(at++);
        String text = token.text();
        List<Node> items = new ArrayList<>();
        return switch (token.kind() == Kind.SYMBOL || token.word().equals("not")
                ? text
                : token.kind().name()) {
            case "not" -> {
                Node negated = expression(COMPARISON);
                yield x -> !Rendering.truth(x.eval(negated));
            }
            case "-", "+" -> applied(unused -> 0L, text, expression(ITEM));
            case "NAME" -> {
                Object constant = CONSTANTS.get(text);
                yield constant == null ? x -> x.variable(text) : unused -> constant;
            }
            case "NUMBER" -> {
                Number number = number(text.replace("_", ""));
                yield unused -> number;
            }
            case "STRING" -> unused -> text;
            case "(" -> take(")") ? x -> x.made(new Tuple(List.of())) : closed(tuple(), ")");
            case "[" -> {
                separated("]", () -> items.add(expression(ANY)));
                yield x -> x.made(x.all(items));
            }
            case "{" -> {
                separated("}", () -> {
                    items.add(closed(expression(ANY), ":"));
                    items.add(expression(ANY));
                });
                yield x -> x.dict(items);
            }
            default -> {
                at--;
                throw wrong("an expression");
            }
        };
    }

    private Number number(String digits) {
        check(digits.length() <= MAX_DIGITS, "a number of at most " + MAX_DIGITS + " digits before it");
        return digits.matches("-?[0-9]+") ? Operators.whole(new BigInteger(digits)) : (Number) Double.valueOf(digits);
    }

    /** Parts with commas between them, and an optional one after the last, up to the closing bracket. */
    private void separated(String close, Runnable part) {
        while (!take(close)) {
            part.run();
            check(is(close) || take(","), ",");
        }
    }

    private Node subscript(Node of) {
        List<Node> parts = new ArrayList<>();
        do {
            parts.add(is(":") || (is("]") && !parts.isEmpty()) ? NONE : expression(ANY));
        } while (take(":"));
        check(parts.size() <= 3 && take("]"), "]");
        return parts.size() == 1
                ? item(of, parts.getFirst())
                : x -> x.made(x.slice(x.eval(of), new Arguments(x, x.all(parts), Map.of())));
    }

    private static Node item(Node of, Node key) {
        return x -> x.item(x.eval(of), x.eval(key));
    }

    /** A call with the arguments in brackets, if there are brackets. */
    private Call arguments(Node callee, boolean given) {
        Call call = new Call(callee, new ArrayList<>(), new LinkedHashMap<>());
        if (given) {
            separated(")", () -> {
                if (tokens.get(at + 1).word().equals("=")) {
                    call.named().put(closed(name(), "="), expression(ANY));
                } else {
                    call.positional().add(take("*") ? new Spread(expression(ANY)) : expression(ANY));
                }
            });
        }
        return call;
    }

    /** Filters with bars between them, applied one after the other. */
    private UnaryOperator<Node> filters() {
        String name = name();
        Call call = arguments(NONE, take("("));
        UnaryOperator<Node> rest = take("|") ? nested(this::filters) : node -> node;
        return node -> rest.apply(x -> x.made(Builtins.filter(name, x, x.eval(node), call.arguments(x))));
    }

    private Node test(Node tested) {
        boolean negated = take("not");
        String name = name();
        boolean symbol = peek().kind() == Kind.SYMBOL;
        boolean argument =
                symbol ? is("[") || is("{") : !List.of("else", "or", "and").contains(peek().word());
        Call call = arguments(NONE, take("("));
        if (argument) {
            call.positional().add(expression(ITEM));
        }
        return x -> negated != Builtins.test(name, x, x.eval(tested), call.arguments(x));
    }
}
