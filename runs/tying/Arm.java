import java.util.List;

/**
 * A treatment of PLAN.md: a model and options of {@code train}.
 *
 * @param name SHAPE-TREATMENT; B1 is S1 on Books
 * @param config the model's config.json
 * @param steps of a run
 * @param options of {@code train} besides those that all runs have
 * @param parent the arm whose checkpoint it begins with, and whose rate it has; null for none. Of an arm without a fork its
 *     rate alone
 * @param fork the step of that checkpoint, 0 for the beginning
 */
record Arm(String name, String config, int steps, List<String> options, String parent, int fork) {
    private static final double C = Math.sqrt(128);
    private static final int BOOKS_EPOCH = 200; // steps
    private static final int BOOKS_EPOCHS = 12;

    /** The arm of a name. */
    static Arm of(String name) {
        String treatment = name.replaceFirst("^(S0|S1|S2|B1)-", "");
        Arm plain = new Arm(name, "", steps(name), List.of(), null, 0);
        return switch (treatment) {
            case "tied" -> plain.with(shape(name).config(true, 1));
            case "untied" -> plain.with(shape(name).config(false, 1));
            case "narrow" -> plain.with(narrow(name).config(false, 1));
            case "thin" -> plain.with(shape(128, 3, 64).config(false, 1));
            case "cc" -> plain.with(shape(name).config(true, C));
            case "c1" -> plain.with(shape(name).config(true, C)).scaled(1 / C);
            case "1c" -> plain.with(shape(name).config(true, 1)).scaled(C);
            case "g2", "g4", "g8", "g16", "g32" ->
                plain.with(shape(name).config(true, 1))
                        .scaled(Integer.parseInt(treatment.substring(1)))
                        .after(name.substring(0, 3) + "tied", 0);
            case "untied-at-300" -> branch(name, "tied", "--untie-at", 300);
            case "untied-at-600" -> branch(name, "tied", "--untie-at", 600);
            case "retied-at-300" -> branch(name, "untied", "--retie-at", 300);
            default -> throw new IllegalArgumentException("arm: expected one of PLAN.md, got " + name);
        };
    }

    /** The folder of its texts and their tokenizer. */
    String corpus() {
        return name.startsWith("B1") ? "books" : "reference";
    }

    /** Steps from one evaluation to the next. */
    int evaluationInterval() {
        return name.startsWith("B1") ? BOOKS_EPOCH : steps / 3;
    }

    private static Shape shape(int hidden, int layers, int inner) {
        return new Shape(4096, 256, hidden, layers, inner);
    }

    private static Shape shape(String name) {
        return switch (name.substring(0, 2)) {
            case "S0" -> shape(64, 3, 176);
            case "S1", "B1" -> shape(128, 4, 352);
            case "S2" -> shape(192, 5, 512);
            default -> throw new IllegalArgumentException("shape: expected S0, S1, S2 or B1, got " + name);
        };
    }

    private static Shape narrow(String name) {
        return switch (name.substring(0, 2)) {
            case "S0" -> shape(32, 4, 352);
            case "S1" -> shape(96, 4, 352);
            default -> shape(160, 5, 480);
        };
    }

    private static int steps(String name) {
        return switch (name.substring(0, 2)) {
            case "S0" -> 4000;
            case "S1" -> 900;
            case "B1" -> BOOKS_EPOCH * BOOKS_EPOCHS;
            default -> 600;
        };
    }

    private static Arm branch(String name, String parent, String option, int fork) {
        Arm before = of(name.substring(0, 3) + parent);
        return new Arm(name, before.config, before.steps, List.of(option, "" + fork), before.name, fork);
    }

    private Arm with(String other) {
        return new Arm(name, other, steps, options, parent, fork);
    }

    private Arm scaled(double scale) {
        return new Arm(name, config, steps, List.of("--input-gradient-scale", "" + scale), parent, fork);
    }

    private Arm after(String other, int step) {
        return new Arm(name, config, steps, options, other, step);
    }
}
