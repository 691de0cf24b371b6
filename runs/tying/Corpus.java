import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Makes documents of the texts of dictionaries: {@code java Corpus.java OUT DICTIONARY...}. A dictionary is a text of the DICT
 * server: an entry begins with a line that is not indented. A document is an entry, a paragraph a line, without its
 * pronunciation and the names of its sources. A paragraph that came before is left out. Every fortieth document is held out: the
 * end of an alphabet would be another text.
 */
final class Corpus {
    private static final int HELD_OUT = 40;

    /** Paragraphs from this length on are compared; shorter ones may repeat, as "See Zythum." does. */
    private static final int LONG = 40;

    private static final Pattern ENTRY = Pattern.compile("\n(?=[^\\s])");
    private static final Pattern PARAGRAPH = Pattern.compile("\n[ \t]*\n");

    /** A headword's syllables, with the sounds that may come after them. */
    private static final Pattern SOUNDS = Pattern.compile("\\s*\\\\[^\\\\]+\\\\(?:\\s*\\([^)]*[\\[*?][^)]*\\))?");

    private static final Pattern SOURCE = Pattern.compile("\\[[^\\[\\]]*(?:Webster|WordNet|PJC|\\bAS\\b)[^\\[\\]]*\\]");
    private static final Pattern MARKS = Pattern.compile("[{}\ufffd]");
    private static final Pattern SPACES = Pattern.compile("\\s+");

    private Corpus() {}

    public static void main(String[] args) throws IOException {
        if (args.length < 2) {
            System.err.println("usage: java Corpus.java OUT DICTIONARY...");
            System.exit(2);
        }
        Set<String> known = new HashSet<>();
        List<String> documents = new ArrayList<>();
        for (int i = 1; i < args.length; i++) {
            String text = new String(Files.readAllBytes(Path.of(args[i])), StandardCharsets.UTF_8);
            for (String entry : ENTRY.split(text)) {
                String document = entry.startsWith("00-database") ? "" : document(entry, known);
                if (!document.isEmpty()) {
                    documents.add(document);
                }
            }
        }
        List<String> training = new ArrayList<>();
        List<String> heldOut = new ArrayList<>();
        for (int i = 0; i < documents.size(); i++) {
            (i % HELD_OUT == HELD_OUT - 1 ? heldOut : training).add(documents.get(i));
        }
        Path out = Files.createDirectories(Path.of(args[0]));
        write(out.resolve("training.jsonl"), training);
        write(out.resolve("held-out.jsonl"), heldOut);
        System.out.println(training.size() + " entries to train on, " + heldOut.size() + " held out");
    }

    private static String document(String entry, Set<String> known) {
        return PARAGRAPH.splitAsStream(SOUNDS.matcher(entry).replaceAll(""))
                .map(Corpus::clean)
                .filter(paragraph -> !paragraph.isEmpty() && (paragraph.length() < LONG || known.add(paragraph)))
                .collect(Collectors.joining("\n"));
    }

    private static String clean(String paragraph) {
        String words = MARKS.matcher(SOURCE.matcher(paragraph).replaceAll("")).replaceAll("");
        return SPACES.matcher(words).replaceAll(" ").strip();
    }

    private static void write(Path file, List<String> documents) throws IOException {
        Files.writeString(file, documents.stream().map(Corpus::json).collect(Collectors.joining()));
    }

    private static String json(String text) {
        StringBuilder line = new StringBuilder("{\"text\": \"");
        for (char c : text.toCharArray()) {
            if (c == '\n') {
                line.append("\\n");
            } else if (c == '"' || c == '\\') {
                line.append('\\').append(c);
            } else if (c >= ' ') {
                line.append(c);
            }
        }
        return line.append("\"}\n").toString();
    }
}
