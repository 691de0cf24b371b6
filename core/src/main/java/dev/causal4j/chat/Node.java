package dev.causal4j.chat;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A part of a parsed template. */
sealed interface Node {
    record Constant(Object value) implements Node {}

    record Name(String name) implements Node {}

    record Items(List<Node> items, boolean tuple) implements Node {}

    record Dict(List<Node> keys, List<Node> items) implements Node {}

    /** {@code *items} among items or arguments. */
    record Spread(Node items) implements Node {}

    record Not(Node operand) implements Node {}

    record Logical(Node left, boolean or, Node right) implements Node {}

    record Binary(Node left, String operator, Node right) implements Node {}

    /** An if block as well. */
    record Conditional(Node condition, Node then, Node otherwise) implements Node {}

    record Attribute(Node of, String name) implements Node {}

    record Item(Node of, Node key) implements Node {}

    record Slice(Node of, Node from, Node to, Node by) implements Node {}

    record Filter(Node of, String name, Call call) implements Node {}

    record Test(Node of, String name, Call call) implements Node {}

    /** A call; {@code caller} is what stands in a call block. */
    record Call(
            Node callee,
            List<Node> positional,
            Map<String, Node> named,
            @Nullable Macro caller) implements Node {}

    /** What a block writes, as a value. */
    record Written(Node body) implements Node {}

    /** What has no value. */
    sealed interface Statement extends Node {}

    record Block(List<Placed> statements) implements Statement {}

    record Placed(int line, Node node) {}

    record Output(Node value) implements Statement {}

    record For(List<String> names, Node over, @Nullable Node filter, Node body, Node otherwise) implements Statement {}

    record Assign(List<String> names, Node value) implements Statement {}

    record AssignAttribute(Node namespace, String name, Node value) implements Statement {}

    /** A macro; its parameters are in order, with their defaults. */
    record Macro(String name, Map<String, Node> parameters, Node body) implements Statement {}

    record Generation(Node body) implements Statement {}

    record Jump(boolean leavesLoop) implements Statement {}
}
