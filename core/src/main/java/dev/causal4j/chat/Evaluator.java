package dev.causal4j.chat;

import dev.causal4j.chat.ChatTemplate.Span;
import dev.causal4j.chat.Node.*;
import dev.causal4j.chat.Value.*;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Runs a parsed template once. Not thread-safe. */
final class Evaluator {
    private static final int MAX_MACROS = 100;

    /** Variables of a part that runs; those around it can be read, not set. */
    private record Scope(@Nullable Scope outer, Map<String, Object> variables) {}

    /** What generation blocks wrote. */
    final List<Span> generated = new ArrayList<>();

    private final StringBuilder output = new StringBuilder();
    private final Values x;
    private StringBuilder out = output;
    private Scope scope;
    private @Nullable Jump jump;
    private int macros;

    Evaluator(Values values, Map<String, Object> variables) {
        x = values;
        scope = new Scope(new Scope(null, variables), new HashMap<>());
    }

    String run(Node template) {
        eval(template);
        return output.toString();
    }

    /** The value of an expression; none of a statement. */
    private Object eval(Node node) {
        x.enter(1);
        Object value = switch (node) {
            case Constant(Object constant) -> constant;
            case Name(String name) -> variable(name);
            case Items(List<Node> items, boolean tuple) -> x.made(tuple ? new Tuple(all(items)) : all(items));
            case Dict(List<Node> keys, List<Node> items) -> {
                Map<Object, Object> map = new LinkedHashMap<>();
                for (int i = 0; i < keys.size(); i++) {
                    map.put(x.key(eval(keys.get(i))), eval(items.get(i)));
                }
                yield x.made(map);
            }
            case Spread(Node items) -> throw x.wrong("a list or call around *", eval(items));
            case Not(Node operand) -> !Values.truth(eval(operand));
            case Logical(Node left, boolean or, Node right) -> {
                Object first = eval(left);
                yield Values.truth(first) == or ? first : eval(right);
            }
            case Binary(Node left, String operator, Node right) -> x.made(x.apply(operator, eval(left), eval(right)));
            case Conditional(Node condition, Node then, Node otherwise) ->
                eval(Values.truth(eval(condition)) ? then : otherwise);
            case Attribute(Node of, String name) -> x.attribute(eval(of), name);
            case Item(Node of, Node key) -> x.item(eval(of), eval(key));
            case Slice(Node of, Node from, Node to, Node by) ->
                x.made(x.slice(eval(of), eval(from), eval(to), eval(by)));
            case Filter(Node of, String name, Call call) -> x.made(Builtins.filter(name, x, eval(of), arguments(call)));
            case Test(Node of, String name, Call call) -> Builtins.test(name, x, eval(of), arguments(call));
            case Call call -> {
                Function function = x.cast(Function.class, eval(call.callee()), "a function or macro to call");
                yield x.made(function.call(arguments(call)));
            }
            case Written(Node body) -> written(body, new Scope(scope, new HashMap<>()));
            case Statement statement -> run(statement);
        };
        x.leave(1);
        return value;
    }

    private Object run(Statement statement) {
        switch (statement) {
            case Block(List<Placed> statements) -> {
                for (int i = 0; i < statements.size() && jump == null; i++) {
                    x.line = statements.get(i).line();
                    eval(statements.get(i).node());
                }
            }
            case Output(Node shown) -> x.write(out, x.print(eval(shown)));
            case For loop -> loop(loop, scope);
            case Assign(List<String> names, Node assigned) -> assign(names, eval(assigned));
            case AssignAttribute(Node namespace, String name, Node assigned) -> {
                Namespace to = x.cast(Namespace.class, eval(namespace), "a namespace to assign to");
                to.attributes().put(name, eval(assigned));
            }
            case Macro macro -> scope.variables.put(macro.name(), function(macro, scope));
            case Generation(Node body) -> {
                int from = out.length();
                within(new Scope(scope, new HashMap<>()), body);
                if (out == output) {
                    generated.add(x.made(new Span(from, out.length())));
                }
            }
            case Jump to -> jump = to;
        }
        return Values.NONE;
    }

    private Object variable(String name) {
        for (Scope at = scope; at != null; at = at.outer) {
            x.step(1);
            Object value = at.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return new Undefined(name);
    }

    private List<Object> all(List<Node> nodes) {
        List<Object> all = new ArrayList<>(nodes.size());
        for (Node node : nodes) {
            all.addAll(node instanceof Spread(Node items) ? x.list(eval(items)) : List.of(eval(node)));
        }
        return all;
    }

    private Arguments arguments(Call call) {
        Map<String, Object> named = new HashMap<>();
        call.named().forEach((name, value) -> named.put(name, eval(value)));
        if (call.caller() != null) {
            named.put("caller", function(call.caller(), scope));
        }
        return new Arguments(x, all(call.positional()), named);
    }

    private Function function(Macro macro, Scope outer) {
        return arguments -> {
            Scope before = scope;
            int line = x.line;
            scope = new Scope(outer, new HashMap<>());
            Map<String, Object> named = new HashMap<>(arguments.named());
            Iterator<Object> positional = arguments.positional().iterator();
            macro.parameters().forEach((name, otherwise) -> {
                Object given = positional.hasNext() ? positional.next() : named.remove(name);
                scope.variables.put(name, given == null ? eval(otherwise) : given);
            });
            Object caller = named.remove("caller");
            scope.variables.put("caller", caller == null ? new Undefined("caller") : caller);
            if (positional.hasNext() || !named.isEmpty()) {
                throw x.wrong("the arguments " + macro.parameters().keySet() + " of " + macro.name(), "others");
            }
            if (++macros > MAX_MACROS) {
                throw x.wrong("at most " + MAX_MACROS + " macros inside each other", macros);
            }
            String written = written(macro.body(), scope);
            macros--;
            x.line = line;
            scope = before;
            return written;
        };
    }

    /** What a part writes in a scope. */
    private String written(Node body, Scope inner) {
        StringBuilder before = out;
        out = new StringBuilder();
        within(inner, body);
        String written = out.toString();
        out = before;
        return written;
    }

    private void within(Scope inner, Node body) {
        Scope before = scope;
        scope = inner;
        eval(body);
        scope = before;
    }

    private void loop(For loop, Scope outer) {
        List<Object> items = x.list(eval(loop.over()));
        if (loop.filter() != null) {
            List<Object> kept = new ArrayList<>();
            for (Object item : items) {
                scope = new Scope(outer, new HashMap<>());
                assign(loop.names(), item);
                kept.addAll(Values.truth(eval(loop.filter())) ? List.of(item) : List.of());
            }
            items = x.made(kept);
        }
        boolean left = false;
        for (int i = 0; i < items.size() && !left; i++) {
            scope = new Scope(outer, new HashMap<>());
            scope.variables.put("loop", new Loop(items, i));
            assign(loop.names(), items.get(i));
            eval(loop.body());
            left = jump != null && jump.leavesLoop();
            jump = null;
        }
        scope = outer;
        if (items.isEmpty()) {
            within(new Scope(outer, new HashMap<>()), loop.otherwise());
        }
    }

    private void assign(List<String> names, Object value) {
        List<Object> parts = names.size() == 1 ? List.of(value) : x.list(value);
        if (parts.size() != names.size()) {
            throw x.wrong(names.size() + " values to assign", value);
        }
        for (int i = 0; i < parts.size(); i++) {
            scope.variables.put(names.get(i), parts.get(i));
        }
    }
}
