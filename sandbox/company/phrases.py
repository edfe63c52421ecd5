"""What customers and agents say, by topic and feeling; `{…}` is filled in by `chats`.

Belongs here: words. Does not belong here: the course of a talk.
"""

from __future__ import annotations

GREETING = (
    "Hi",
    "Hello",
    "Hey there",
    "Good morning",
    "hi, anyone there?",
    "Hello, quick question",
    "hey",
    "Hi team",
    "",
)
OPENING = {
    "late_delivery": (
        "my order {order} was supposed to be here {days} days ago and I still have nothing",
        "where is my {product}? tracking has not moved for {days} days",
        "I ordered a {product} almost {days} days back, no parcel, no email",
        "can you check on order {order}, it says shipped but nothing came",
        "the courier says delivered but there is no package at my door",
    ),
    "damaged": (
        "the {product} arrived with a broken zip",
        "my {product} came with a torn seam, order {order}",
        "opened the box today and the {product} is scratched all over",
        "one of the buckles on my {product} snapped on the first day",
        "the {product} leaks. it is supposed to be waterproof",
    ),
    "wrong_size": (
        "the {product} runs really small, I need to swap it for a larger one",
        "ordered a medium {product} and it fits like a large",
        "which size should I take in the {product}? I am between two",
        "I'd like to exchange the {product} from order {order} for another size",
        "the sleeves on the {product} are too long for me, can I change it",
    ),
    "refund": (
        "I sent back the {product} {days} days ago and there is no refund yet",
        "still waiting for my money for order {order}",
        "how long do refunds take? it has been {days} days",
        "I was refunded less than I paid for order {order}",
        "the return shows as received but my card was never credited",
    ),
    "product_question": (
        "is the {product} fully waterproof or only water resistant",
        "does the {product} come with a repair kit",
        "will the {product} be back in stock soon",
        "how heavy is the {product}, I cannot find it on the page",
        "can I wash the {product} in the machine",
    ),
    "payment": (
        "I was charged twice for order {order}",
        "my card keeps getting declined at checkout",
        "I need an invoice for order {order} please",
        "the coupon did not work and now I paid the full price",
        "there is a charge on my statement I do not recognise",
    ),
    "subscription": (
        "how do I change my club plan to a cheaper one",
        "this month's club box has not been announced yet, when does it ship",
        "what exactly do I get with the {plan} plan",
        "I never used my club discount this month, does it carry over",
        "why was I billed for the club on the {days}th, I thought there was a trial",
    ),
    "cancel_subscription": (
        "I want to cancel my subscription",
        "please cancel my club membership, I hardly use it",
        "how do I stop the {plan} plan? I can't find the button anywhere",
        "cancel the subscription please, it's too expensive for what I get",
        "I'd like to end my membership before the next billing date",
        "thinking about leaving the club, what is the notice period",
    ),
}
AGENT_HELLO = (
    "Hi {name}, this is {agent}. I am happy to look into that for you.",
    "Hello {name}, thanks for reaching out. Let me check.",
    "Hi, {agent} here. Could you give me your order number?",
    "Thanks for your message, {name}. One moment please.",
    "Hi there! Sorry to hear that, let me see what I can do.",
)
DETAIL = {
    "late_delivery": ("it's {order}", "order {order}, it was meant as a gift", "{order}. I paid for express too"),
    "damaged": ("{order}, I can send photos", "I used it once, twice at most", "yes it was like that in the box"),
    "wrong_size": ("I usually wear a medium in your shirts", "order {order}", "I am 182 cm and rather slim"),
    "refund": (
        "the return number was on the label, order {order}",
        "I paid by card",
        "{order}, sent it from the post office",
    ),
    "product_question": ("it's for a trip to the coast", "mostly for day hikes", "the page only says durable"),
    "payment": (
        "order {order}, the same amount two times",
        "it is a debit card",
        "yes I tried another browser as well",
    ),
    "subscription": ("the {plan} one", "I joined in {month}", "I just want to understand what I pay for"),
    "cancel_subscription": (
        "the {plan} plan",
        "I only bought once since I joined",
        "I do not order often enough to make it worth it",
        "the last box was not for me",
        "money is tight at the moment",
    ),
}
ANSWER = {
    "late_delivery": (
        "I see the parcel is stuck at the depot. It should reach you within two working days.",
        "The carrier lost track of it; I am sending a replacement {product} today.",
        "It was returned to us because of the address. Can you confirm it?",
    ),
    "damaged": (
        "I am sorry about that. I can offer a replacement or a refund.",
        "Could you send a photo to this chat? Then our workshop repairs it.",
        "That is a known fault in one batch. A new {product} is on its way.",
    ),
    "wrong_size": (
        "Take one size up. I have put an exchange label in your account.",
        "You can return it within 30 days, the label is free of charge.",
        "By our chart the large would suit you better.",
    ),
    "refund": (
        "The warehouse booked it in yesterday, it takes five to seven days from there.",
        "I can see the refund was issued to the card that ends in 42.",
        "The shipping fee is not refunded, that is the difference.",
    ),
    "product_question": (
        "It is waterproof to 10,000 mm and has taped seams.",
        "The next delivery comes in about two weeks.",
        "It weighs 480 grams and can be washed at 30 degrees.",
    ),
    "payment": (
        "One of the two is only a reservation and disappears in three days.",
        "I have sent the invoice to your email address.",
        "The coupon was only valid until Sunday, I can add a credit for you.",
    ),
    "subscription": (
        "You can change the plan in your account under Club at any time.",
        "The box ships on the tenth of each month.",
        "With {plan} you get free shipping, early access and a monthly discount.",
    ),
    "cancel_subscription": (
        "I am sorry to see you go. I can offer you two months at half price.",
        "You can pause the membership for three months instead, would that help?",
        "You can end it in your account under Club, at the end of each month.",
    ),
}
REACTION = {
    "bad": (
        "that is really disappointing",
        "this is the third time I have to ask, I am so frustrated",
        "honestly this is unacceptable",
        "so nobody can help me? terrible service",
        "I was told the same last week and nothing happened",
        "you have wasted my time again",
        "this is ridiculous, I am angry at this point",
        "not good enough, I will think twice about ordering again",
        "your answers are useless and slow",
        "I am very unhappy with how this is handled",
        "worst experience I had with a shop in a while",
        "no that does not solve my problem at all",
    ),
    "neutral": (
        "ok",
        "ok I will wait then",
        "alright, I'll check and come back",
        "fine, how long will that take",
        "I see",
        "hm ok, not what I hoped for but understandable",
        "understood",
        "let me think about it",
        "okay, send me the details by email please",
        "is there anything else I need to do",
    ),
    "good": (
        "perfect, thank you so much!",
        "great, that was quick",
        "awesome, you are really helpful",
        "thanks, that solves it",
        "lovely, appreciate the help",
        "wonderful service as always",
        "brilliant, I am happy with that",
        "thank you, that is very kind",
        "excellent, good to know",
        "love it, thanks a lot",
    ),
}
PRESSED = {
    "bad": (
        "I want to speak to a manager",
        "what are you going to do about it",
        "if this is not fixed I will cancel my subscription",
        "I expect some compensation for this",
        "I want my money back",
        "then why do I pay for the club at all",
    ),
    "neutral": (
        "can you confirm that by email",
        "what happens next",
        "and if it doesn't arrive?",
        "any way to speed it up",
    ),
    "good": ("one more thing, do you have it in green", "do I need to send anything back", "will I get a confirmation"),
}
AGENT_MORE = (
    "I understand. I have noted it on your case.",
    "I am sorry for the trouble, {name}. I have passed it to my colleague.",
    "Of course, you will get an email within the hour.",
    "I have added a 10 % credit to your account for the inconvenience.",
    "Unfortunately I cannot change that from here.",
)
AGENT_BYE = (
    "Is there anything else I can do for you?",
    "Thanks for chatting with us. Have a good day!",
    "You are welcome, {name}. Take care!",
    "I will close this chat now, just write again if it comes back.",
)
FAREWELL = {
    "bad": ("no, forget it", "no. bye", "whatever", "I will look somewhere else", "this did not help", "bye"),
    "neutral": ("no, that's all", "that's it, bye", "no thanks", "ok bye", "no"),
    "good": ("no that's all, thanks again!", "have a great day!", "all good now, bye", "thanks, bye!", "cheers"),
}
