package dev.causal4j.chat;

import dev.causal4j.chat.ChatTemplate.Span;
import dev.causal4j.chat.Node.Spread;
import dev.causal4j.chat.Value.Function;
import dev.causal4j.chat.Value.Loop;
import dev.causal4j.chat.Value.Namespace;
import dev.causal4j.chat.Value.Undefined;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What the nodes of a template run on, once. Not thread-safe. */
final class Evaluator {
    private static final int MAX_MACROS = 100;

    /** Variables of a part that runs; those around it can be read, not set. */
    private record Scope(@Nullable Scope outer, Map<String, Object> variables) {}

    /** What generation blocks wrote. */
    final List<Span> generated = new ArrayList<>();

    final Values x;

    /** The tag {@code break} or {@code continue} while it takes effect, else nothing. */
    String jump = "";

    private final StringBuilder output = new StringBuilder();
    private StringBuilder out = output;
    private Scope scope;
    private int macros;

    Evaluator(Values values, Map<String, Object> variables) {
        x = values;
        scope = new Scope(new Scope(null, variables), new HashMap<>());
    }

    String run(Node template) {
        eval(template);
        return output.toString();
    }

    /** Runs a part, which counts. */
    Object eval(Node node) {
        x.enter(1);
        Object value = node.run(this);
        x.leave(1);
        return value;
    }

    Object runAll(List<Node> statements) {
        for (int i = 0; i < statements.size() && jump.isEmpty(); i++) {
            eval(statements.get(i));
        }
        return Values.NONE;
    }

    Object at(int line, Node statement) {
        x.line = line;
        return statement.run(this);
    }

    Object write(Object value) {
        return x.write(out, x.print(value));
    }

    /** What a part writes, and that it is the assistant's. */
    Object generation(Node body) {
        int from = out.length();
        within(body);
        if (out == output) {
            generated.add(x.made(new Span(from, out.length())));
        }
        return Values.NONE;
    }

    Object variable(String name) {
        for (Scope at = scope; at != null; at = at.outer) {
            x.step(1);
            Object value = at.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return new Undefined(name);
    }

    List<Object> all(List<Node> nodes) {
        List<Object> all = new ArrayList<>(nodes.size());
        for (Node node : nodes) {
            Object value = eval(node);
            all.addAll(node instanceof Spread ? x.list(value) : List.of(value));
        }
        return all;
    }

    Object dict(List<Node> keys, List<Node> items) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < keys.size(); i++) {
            map.put(x.key(eval(keys.get(i))), eval(items.get(i)));
        }
        return x.made(map);
    }

    Object slice(Node of, List<Node> parts) {
        return x.made(x.slice(eval(of), eval(parts.get(0)), eval(parts.get(1)), eval(parts.get(2))));
    }

    /** A macro, of parameters in order and with their defaults. */
    Function function(String name, Map<String, Node> parameters, Node body) {
        Scope outer = scope;
        return arguments -> {
            Scope before = scope;
            int line = x.line;
            scope = new Scope(outer, new HashMap<>());
            Map<String, Object> named = new HashMap<>(arguments.named());
            Iterator<Object> positional = arguments.positional().iterator();
            parameters.forEach((parameter, otherwise) -> {
                Object given = positional.hasNext() ? positional.next() : named.remove(parameter);
                scope.variables.put(parameter, given == null ? eval(otherwise) : given);
            });
            Object caller = named.remove("caller");
            scope.variables.put("caller", caller == null ? new Undefined("caller") : caller);
            if (positional.hasNext() || !named.isEmpty()) {
                throw x.wrong("the arguments " + parameters.keySet() + " of " + name, "others");
            }
            if (++macros > MAX_MACROS) {
                throw x.wrong("at most " + MAX_MACROS + " macros inside each other", macros);
            }
            String written = written(body);
            macros--;
            x.line = line;
            scope = before;
            return written;
        };
    }

    /** What a part writes. */
    String written(Node body) {
        StringBuilder before = out;
        out = new StringBuilder();
        within(body);
        String written = out.toString();
        out = before;
        return written;
    }

    private void within(Node body) {
        Scope before = scope;
        scope = new Scope(before, new HashMap<>());
        eval(body);
        scope = before;
    }

    Object loop(List<String> names, Node over, @Nullable Node filter, Node body, Node otherwise) {
        Scope outer = scope;
        List<Object> items = x.list(eval(over));
        if (filter != null) {
            List<Object> kept = new ArrayList<>();
            for (Object item : items) {
                scope = new Scope(outer, new HashMap<>());
                assign(names, item);
                kept.addAll(Values.truth(eval(filter)) ? List.of(item) : List.of());
            }
            items = x.made(kept);
        }
        boolean left = false;
        for (int i = 0; i < items.size() && !left; i++) {
            scope = new Scope(outer, new HashMap<>());
            scope.variables.put("loop", new Loop(items, i));
            assign(names, items.get(i));
            eval(body);
            left = jump.equals("break");
            jump = "";
        }
        scope = outer;
        if (items.isEmpty()) {
            within(otherwise);
        }
        return Values.NONE;
    }

    Object assign(List<String> names, Object value) {
        List<Object> parts = names.size() == 1 ? List.of(value) : x.list(value);
        if (parts.size() != names.size()) {
            throw x.wrong(names.size() + " values to assign", value);
        }
        for (int i = 0; i < parts.size(); i++) {
            scope.variables.put(names.get(i), parts.get(i));
        }
        return Values.NONE;
    }

    Object assign(String namespace, String attribute, Node value) {
        Namespace to = x.cast(Namespace.class, variable(namespace), "a namespace to assign to");
        to.attributes().put(attribute, eval(value));
        return Values.NONE;
    }
}
