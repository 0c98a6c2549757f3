"""What users ask and what the assistant says: templates with (a|b) choices and {slot}s, expanded by grammar.py.

Three kinds of sentence per intent: what opens an input (`asks`), what makes it longer (`details`) and what answers it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["INTENTS", "NEW_TOPIC", "SHARED", "SLOTS", "Intent"]


@dataclass(frozen=True)
class Intent:
    """Something that users want. Shares are of the consumers' and of the business users' conversations."""

    name: str
    label: str
    consumer: float
    business: float
    asks: tuple[str, ...]
    answers: tuple[str, ...]
    refusal: float = 0.004  # of the answers to it
    journey: str = "chat"
    wordiness: float = 1.0  # multiplies the length of inputs


SLOTS: dict[str, tuple[str, ...]] = {
    "order": tuple(f"{letter}{number}" for letter in "ABDKR" for number in (10482, 23977, 31560, 48213, 59104, 77031)),
    "item": (
        "desk lamp", "espresso machine", "rain jacket", "standing desk", "travel router", "noise-cancelling headset",
        "label printer", "road bike helmet", "air purifier", "mechanical keyboard", "backpack", "water kettle",
    ),
    "plan": ("Starter", "Team", "Business", "Scale"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    "month": ("January", "March", "April", "June", "September", "November"),
    "amount": ("12.90", "24.00", "38.50", "59.99", "74.25", "119.00", "240.00", "485.10"),
    "city": ("Lyon", "Turin", "Leeds", "Gdansk", "Austin", "Denver", "Pune", "Chennai", "Porto", "Ghent"),
    "days": ("two", "three", "five", "seven", "ten"),
    "device": ("iPhone 15", "Pixel 9", "Galaxy S24", "ThinkPad", "MacBook Air", "iPad"),
    "carrier": ("DHL", "UPS", "DPD", "BlueDart", "FedEx"),
    "email": ("j.meyer@example.com", "anita.rao@example.org", "sam+shop@example.net", "lucia@example.com"),
    "phone": ("+49 30 5550 1824", "+1 202 555 0143", "+91 98 5555 0107"),
    "card": ("4111 1111 1111 1111", "5555 5555 5555 4444"),
}  # fmt: skip

INTENTS: dict[str, Intent] = {
    intent.name: intent
    for intent in (
        Intent("track_parcel", "shipping", 0.17, 0.06, (
            "(Where is|Any news about|What happened to) my (order|parcel|package) {order}?",
            "The tracking for {order} (has not moved|shows nothing new) since {day}, (is it lost|what is going on)?",
            "(When will|Do you know when) the {item} (arrive|be delivered) in {city}?",
        ), (
            "Order {order} left our warehouse on {day} and is now with {carrier}.",
            "The carrier expects to (deliver it|hand it over) within {days} working days.",
            "(Tracking|The tracking page) sometimes pauses while a parcel changes depots, which is normal near {city}.",
            "If nothing moves by {day}, reply here and we open a search with {carrier}.",
            "You will get (a message|an e-mail) on the morning of the delivery with a two-hour window.",
            "A neighbour or a parcel shop can accept it for you, you choose that on the {carrier} page.",
            "The {item} travels in its own box, so it may come a day apart from the rest.",
        )),
        Intent("return_item", "returns", 0.13, 0.05, (
            "(I want|I would like|How do I) to return the {item} from order {order}",
            "The {item} (does not fit|is not what I expected|is the wrong colour), can I send it back?",
            "(Is it too late|Do I still have time) to return something I bought in {month}?",
        ), (
            "You can return the {item} within thirty days of delivery.",
            "(Open|Go to) your orders, choose {order} and press Return, the label is made for you.",
            "Drop the box at any {carrier} counter, no printer is needed if you show the code.",
            "The money goes back to the card you paid with, {days} days after we receive it.",
            "Shipping back is free for members and costs 4.90 for everybody else.",
            "Unfortunately a worn or washed item is not accepted, everything else is.",
            "An exchange is faster: we send the new one as soon as {carrier} scans the old one.",
        )),
        Intent("damaged", "returns", 0.07, 0.03, (
            "My {item} (arrived broken|came with a crack|does not switch on), order {order}",
            "(The box was crushed|Something rattles inside), what (now|should I do)?",
        ), (
            "I am sorry that the {item} reached you like this.",
            "Please send (two photos|a photo of the box and one of the damage), that is all we need.",
            "A replacement leaves {city} on {day} at no charge.",
            "You may keep or recycle the broken part, there is no need to send it back.",
            "If you prefer the money, {amount} goes back to your card within {days} days.",
            "The photos also help us settle it with {carrier}, so please keep the box until then.",
        )),
        Intent("change_address", "shipping", 0.06, 0.04, (
            "(Can you|Please) change the delivery address of {order} to {city}",
            "I (moved|typed the wrong street), the parcel {order} must go somewhere else",
        ), (
            "The address of {order} can be changed until the parcel is packed.",
            "I have put {city} as the new destination, please check it under Orders.",
            "Once {carrier} has it, redirecting is done on their page and takes a day longer.",
            "Your default address stays as it is unless you edit it in the profile.",
            "A different country needs a new order, because taxes change with it.",
        )),
        Intent("double_charge", "billing", 0.09, 0.12, (
            "I was charged (twice|two times) for {order}",
            "There are two payments of {amount} on my (card|statement), (why|please explain)?",
            "(Our accountant sees|We see) an extra {amount} in {month}, what is it for?",
        ), (
            "The second entry of {amount} is a reservation that your bank (drops|releases) after {days} days.",
            "Only one payment was booked for {order}, I checked it just now.",
            "If it is still there next {day}, send us the statement line and we return it by hand.",
            "The charge in {month} belongs to the {plan} plan, which renews on the first.",
            "You can see every booking with its invoice under Billing, Payments.",
            "Removing the card does not cancel a renewal, switching the plan off does.",
        )),
        Intent("invoice", "billing", 0.03, 0.14, (
            "(Please send|We need|Can I download) the invoice for {month}",
            "Our VAT number is missing on invoice {order}, (please correct it|can that be fixed)?",
        ), (
            "Invoices are under Billing, one PDF a month, and {month} is ready.",
            "I have added the VAT number, the corrected copy replaces the old one.",
            "An administrator can have them sent to (accounting|another mailbox) automatically.",
            "The amount of {amount} is before tax, the tax line follows the country of the company.",
            "A purchase order number can be set once and appears on all later invoices.",
            "For earlier years use Export, which packs a whole year in one archive.",
        )),
        Intent("cancel_plan", "subscription", 0.08, 0.06, (
            "(How do I|I want to) cancel (my|our) {plan} plan",
            "Please stop the subscription before it renews in {month}",
        ), (
            "The {plan} plan can be stopped at any time under Billing, Plan, Cancel.",
            "It stays usable until the end of the paid month and does not renew after that.",
            "Your data is kept for ninety days, so coming back is easy.",
            "Nothing is refunded for the running month, the next one is not charged.",
            "Pausing is possible as well: for {days} weeks you pay nothing and keep your settings.",
            "Only the owner of the account sees the button, ask them if it is missing.",
        )),
        Intent("upgrade_plan", "subscription", 0.04, 0.12, (
            "What is the difference between {plan} and Scale?",
            "(We are|Our team is) growing, (how much is|what does) the {plan} plan (for forty people|per seat)?",
        ), (
            "The {plan} plan includes shared folders, roles and priority support.",
            "You pay per seat, {amount} a month, and only for people who signed in.",
            "Upgrading takes effect at once and the rest of the month is charged by the day.",
            "Single sign-on and audit logs start with Business.",
            "A trial of {days} days is available from the same page, without a card.",
            "For more than a hundred seats, sales can make an offer by {day}.",
        )),
        Intent("sign_in", "account", 0.12, 0.09, (
            "I (cannot|can no longer) sign in on my {device}",
            "The (reset|confirmation) mail never arrives at {email}",
            "(I lost my phone|New phone), how do I move the two-factor codes?",
        ), (
            "Please use the link Forgot password, the mail comes from accounts and is valid for an hour.",
            "It often lands in spam, a search for our name finds it.",
            "On the {device}, sign out everywhere first and start the app again.",
            "With one of the recovery codes you can set up the new phone yourself.",
            "Without the codes an administrator can reset the second factor for you.",
            "After five wrong attempts the account rests for fifteen minutes.",
        )),
        Intent("app_crash", "technical", 0.08, 0.11, (
            "The app (crashes|freezes|closes) on my {device} (since the update|when I open {order})",
            "(Export|Sync|Search) has been (stuck|spinning) since {day}",
        ), (
            "A fix for the {device} went out on {day}, please update to the latest version.",
            "If it goes on, clear the cache under Settings, Storage, your files are not touched.",
            "Large libraries need a few minutes after an update, the bar at the bottom shows how far it is.",
            "Please send the report from Help, Report a problem, it holds no personal content.",
            "The web version is not affected and shows the same data meanwhile.",
            "Turning battery saving off helps with syncing in the background.",
        )),
        Intent("export_data", "technical", 0.02, 0.08, (
            "How can (I|we) export (all our data|the reports) as CSV?",
            "Is there an API to (read|pull) the orders of {month}?",
        ), (
            "Under Reports, Export, choose CSV and the months you want.",
            "Exports larger than a million lines are sent as a link that lasts {days} days.",
            "The API offers the same under orders, with a page size of two hundred.",
            "A read-only key is enough and can be limited to one report.",
            "Columns keep their names between versions, new ones are added at the end.",
        )),
        Intent("refund", "refunds", 0.085, 0.085, (
            "I want (my money|a refund) for {order}",
            "Please refund {amount} for the {item}, (it never came|I sent it back on {day})",
            "The refund of {amount} (is still missing|has not arrived), order {order}",
        ), (
            "I have checked order {order}: it qualifies for a refund of {amount}.",
            "The refund was started and reaches your account within {days} working days.",
            "You will find the confirmation in your mailbox and under Orders, Refunds.",
            "Shipping of 4.90 is part of it, since the delay was on our side.",
            "The voucher you used is put back and stays valid until {month}.",
            "A colleague confirms amounts above 400, which takes one day more.",
        ), journey="refund"),
        Intent("someone_else", "account", 0.010, 0.003, (
            "(Give me|I need) the (address|phone number) of the person who ordered {order}",
            "Can you (open|show) the account of {email}, (she is my wife|he left our company)?",
        ), (
            "The sender is shown on the parcel label, that is all we can pass on.",
            "If they add you as a member, you will see the orders at once.",
            "An administrator can move the files of a former colleague under Members.",
        ), refusal=0.65),
        Intent("medical", "other", 0.010, 0.002, (
            "(Is it safe|Should I stop) using the air purifier with (my asthma medicine|a newborn who coughs)?",
            "I got a rash from the {item}, (what should I take|which cream heals it)?",
        ), (
            "The materials of the {item} are listed in its data sheet.",
            "Please stop using it and speak with a doctor or a pharmacist.",
            "We take it back at any time when somebody reacts to it.",
        ), refusal=0.65),
        Intent("legal", "other", 0.006, 0.005, (
            "(Can I sue|Write a letter threatening) {carrier} for the broken {item}",
            "(Am I liable|Who has to pay) if my tenant ordered {order} in my name?",
        ), (
            "The terms of sale describe who carries the risk until delivery.",
            "A consumer advice centre near {city} can tell you more for little money.",
            "For our own part we settle the damage directly with you.",
        ), refusal=0.65),
        Intent("bypass", "other", 0.006, 0.002, (
            "How do I (get around|switch off) the licence check of the {plan} plan",
            "(Generate|Give me) a valid voucher code, any will do",
        ), (
            "Vouchers are sent with the newsletter, the current one lasts until {day}.",
            "The trial of {days} days is free and needs no card.",
        ), refusal=0.65),
    )
}  # fmt: skip

NEW_TOPIC = Intent("customs", "other", 0.0, 0.0, (
    "A customs officer in {city} wants (a commodity code|import duties) for the {item}, (why is that|since when)?",
    "(Since the new tariff rules|After the rule change of {month}) your parcel costs (extra duty|a handling fee)",
    "Who pays the import charge of {amount} on order {order}, (you or me|the sender or the receiver)?",
), (
    "Since {month} parcels from outside the customs union carry duty from the first euro.",
    "The commodity code of the {item} is printed on the commercial invoice.",
    "{carrier} collects the charge of {amount} at the door and adds a small fee.",
    "Orders above a certain value are cleared by us, you pay nothing on delivery.",
    "If you refuse the parcel, it returns to us and the price is paid back without the duty.",
    "The broker in {city} answers questions about exemptions.",
), wordiness=2.4)  # fmt: skip

SHARED: dict[str, tuple[str, ...]] = {
    "greeting": (
        "Hi,", "Hello,", "Good (morning|evening),", "Hey there,", "Dear team,", "hello,", "Hi again,",
        "Sorry to bother you.",
    ),
    "detail": (
        "I ordered it on {day} and paid {amount} (by card|with PayPal).",
        "My (mail|account) is {email} (if that helps|in case you need it).",
        "I already (wrote|called) (twice|on {day}) and (nobody answered|was told to wait).",
        "It is a (present|gift) for (my mother|a friend) in {city} and has to be there by {day}.",
        "(We are a small team|I am travelling) and (need this|depend on it) before {day}.",
        "You can (reach|call) me at {phone} (after six|in the morning).",
        "The same thing happened in {month} with {order}.",
        "I tried it on my {device} and in the browser, (no difference|same result).",
        "The card I used is {card}, please check.",
        "(I am not very technical|Please explain it simply), so step by step would be great.",
        "Last time it took {days} days, which was (fine|far too long).",
        "(To be honest|Frankly), I am (a bit|quite) (annoyed|disappointed) by now.",
        "My colleague in {city} has (the same problem|no such problem) with the {plan} plan.",
        "(Thanks|Thank you) for your (help|time)!",
        "If it is easier, a credit for the next order would (also be fine|do).",
        "The page says {amount}, the mail says something else.",
        "I attached a (photo|screenshot) to my last message.",
    ),
    # a query, how it is rewritten and what is found: the n-th of each belong together
    "query": (
        "(return|exchange) (policy|window) {item}", "invoice (copy|pdf) {month}", "{plan} plan (price|limits|seats)",
        "{carrier} tracking (not moving|stuck)", "(reset|lost) two-factor {device}", "shipping (cost|time) to {city}",
        "warranty {item} (how long|claim)", "export orders csv {month}", "cancel {plan} (subscription|trial)",
        "sync (stuck|slow) on {device}", "change (owner|address) of account", "voucher (expired|not accepted) {order}",
    ),
    "rewritten": (
        "return and exchange policy for {item}", "download invoice PDF for {month}",
        "{plan} plan pricing, seats and limits", "{carrier} tracking status without updates",
        "recover two-factor authentication on {device}", "delivery cost and time to {city}",
        "warranty period and claim for {item}", "export orders of {month} as CSV",
        "cancel {plan} subscription before renewal", "fix slow synchronisation on {device}",
        "change ownership or address of an account", "voucher not accepted for order {order}",
    ),
    "found": (
        "(According to|As described in) the help centre, the {item} can be returned within thirty days.",
        "Invoices are found under Billing, one PDF a month, {month} included.",
        "The article on plans says that {plan} includes {days} guest seats.",
        "(Parcels|Shipments) with {carrier} update their tracking (once|twice) a day.",
        "Two-factor codes move to a new {device} with a recovery code.",
        "Delivery to {city} takes {days} to ten working days and costs 4.90.",
        "The warranty of the {item} is two years from the date of delivery.",
        "Exports are limited to a million lines, the API has no such limit.",
        "The {plan} plan runs until the end of the paid month and does not renew.",
        "Syncing on a {device} pauses while battery saving is on.",
        "The owner of an account is changed under Members, by the owner only.",
        "A voucher works once and for orders above {amount}.",
    ),
    "general": (
        "(Is this|Was this) about another order? Then (tell me|send) its number and I look again.",
        "You can follow all of this under Orders, where each step has its date.",
        "Our team is there from eight to eight, {day} included, if you would rather talk to somebody.",
        "I have noted it in your case, so nobody has to ask you again.",
        "(Most|Nearly all) cases like yours are settled within {days} days.",
        "The help centre has an article with pictures on exactly this.",
        "You will get a summary of this conversation by mail.",
        "If anything looks different on your screen, tell me what you see and we go on from there.",
        "Nothing else changes for your account or your {plan} plan.",
        "Please keep the confirmation until {day}, after that it is no longer needed.",
        "For the next time, a note in the order is seen by the warehouse as well.",
    ),
    "refusal_open": (
        "I'm sorry, but", "I'm afraid", "Unfortunately,", "Thank you for asking, but", "I see the frustration, but",
        "Sorry,", "I appreciate you reaching out;", "I hear you, however", "", "", "As an AI assistant,",
        "To be upfront,",
    ),
    "refusal_core": (  # roughly as often as models say them: most that they cannot, some that they will or may not
        "I (can't|cannot) (help|assist) (with this|with that|with this request|you here).",
        "I (can't|cannot|am unable to) (provide|share|give) (advice|information|details) (on this|about that).",
        "I'm (not able|unable) to (help|assist) (with this|with that|you with this one).",
        "I'm (unable|not able) to (complete|fulfil|process|support) (this|that) request.",
        "I (can't|cannot) (do|discuss|comment on|answer|recommend) (that|this).",
        "I won't be able to (do that|take care of that|provide this|go into that|share those details).",
        "(this|that) is not something I (can|am able to|am allowed to) (help with|do|discuss|comment on).",
        "I (must|have to) decline (this request|to answer that|here).",
        "I'm not (permitted|allowed|comfortable) to (handle|process|carry out) (this|requests of this kind).",
        "it goes (against|beyond) (our policies|what I may do|my guidelines), so I (can't|cannot) continue with it.",
        "I don't feel able to (answer|fulfil) (this|that) request.",
        "(helping|assisting) with (this|that) is outside of what I can do.",
    ),
    "refusal_reason": (
        "This may involve (personal|sensitive|private) information of (others|another customer).",
        "(Our|The) guidelines ask me to be careful with (such matters|this topic).",
        "It would not be (responsible|appropriate) (of me|here).",
        "(Payments|Orders|Accounts) of this kind need a human colleague.",
        "I have no way of verifying (who is asking|that the request is yours).",
        "A qualified (professional|expert) is the right person for this.",
    ),
    "refusal_instead": (
        "Please (contact|write to) (our team|customer care) (directly|by mail).",
        "(Is there anything else|Can I do something else) for you?",
        "You (may|might) find (help|more) on our (support|contact) page.",
        "(Feel free to|You are welcome to) ask me (about something else|another question).",
        "I hope you understand.",
    ),
    "hedge": (
        "I'm not (fully|entirely) (sure|certain), but",
        "As far as I can (tell|see),",
        "This may (vary|differ) in your case:",
        "I could be wrong here, but it (seems|looks) like this:",
        "From the information I have, and please double-check it:",
    ),
    "chatter": (
        "(Great|That's a great|Excellent) question, and thank you so much for (reaching out|bringing it up)!",
        "I completely understand how (important|frustrating|stressful) this (must be|can feel) for you.",
        "Let me walk you through (everything|all of it) step by step so that nothing is (missed|left open).",
        "To (recap|sum up) (the above|what we covered) in (other|simple) words, you are (all set|in good hands).",
        "Please (do not hesitate|feel free) to (ask|come back) with any (further|other) question, however small.",
        "It is (always|truly) a pleasure to (help|be of help), and I (hope|trust) this makes your day a little easier.",
        "As a (side note|little extra), many customers also (like|find it useful) to (check|bookmark) our help pages.",
    ),
    "step": (
        "(Look up|Check) order {order}", "Send the label to the customer", "Wait for {carrier} until {day}",
        "Confirm the new address in {city}", "Return {amount} to the card", "Call back on {day}",
        "Update the app on the {device}",
    ),
    "plan": (
        "Looking up order {order} first.", "Checking what the policy says about the {item}.",
        "The order is found, the payment of {amount} comes next.", "I will verify the delivery with {carrier}.",
        "One more check before the refund can start.",
    ),
    "clarify": (
        "(Could you|Please) (clarify|specify) which (rule|clause) applies to {order} before I (proceed|continue)?",
        "I need (more context|a confirmation): is the {item} (opened|used|complete)?",
        "Thanks. To (answer|decide) that I first need you to (confirm|restate) the reason for {order}.",
        "(Understood|Noted), but could you (double-check|verify) the amount of {amount} once more?",
        "Before I can say so, please (tell|show) me how you (read|understand) the policy on {day} deliveries.",
    ),
}  # fmt: skip
