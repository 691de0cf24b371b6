package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Gatherers;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.springframework.ai.document.Document;
import org.springframework.ai.vectorstore.VectorStore;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;

/**
 * With the model that the application runs: no container, no stand-in, no retry. {@code -Dconversations=1000} holds more of them.
 */
@SpringBootTest(properties = "spring.ai.causal4j.chat.seed=1")
class ApplicationTest {
    private static final int CONVERSATIONS = Integer.getInteger("conversations", 20);

    /** The embedded model talks nonsense, and the same on every machine. */
    private static final List<String> SAID = List.of(
            "the boys, dearest, who, was excused by this parish glass, and Catherine's bursts",
            "a mile glossed, a look of troleness, was now bore to an in the",
            "Topic[department=LENDING, urgent=false]",
            "the time to give her all the rest; and there was no duty of the rest of a blue which was now taught to"
                    + " transist. She had been obliged to feel that the utmost imprudence of all those all her aunt, and"
                    + " the grievances of her life, that her sister's conduct would not have given her a friend to every"
                    + " perseverance.");

    @Autowired
    private Desk desk;

    @Autowired
    private Letters letters;

    @Autowired
    private VectorStore passages;

    private List<String> conversation(String name) {
        return List.of(
                desk.answer(name, "When does the library open?"),
                desk.answer(name, "And on Sundays?"),
                desk.topic("My book lay in the rain!").toString(),
                desk.forward(name, "My book lay in the rain!"));
    }

    @Test
    void equalConversationsHaveEqualTexts() {
        int before = letters.written().size();
        Set<List<String>> texts = IntStream.range(0, CONVERSATIONS)
                .mapToObj(i -> "reader " + i)
                .gather(Gatherers.mapConcurrent(8, this::conversation)) // callers at once are computed together
                .collect(Collectors.toSet());
        assertEquals(Set.of(SAID), texts);
        List<Department> written = letters.written();
        assertEquals(
                Collections.nCopies(CONVERSATIONS, Department.FEES), written.subList(before, written.size()));
    }

    @Test
    void anAnswerDependsOnThoseBefore() {
        assertNotEquals(SAID.get(1), desk.answer("a new reader", "And on Sundays?"));
    }

    @Test
    void theNearestPassageIsFound() {
        List<Document> found = passages.similaritySearch("When does the library open?");
        assertEquals("hours.txt 1", found.getFirst().getId());
    }
}
